"""The interest state of users: what it holds, how events change it, how it is packed."""
