"""What runs: three life cycles, and what they share. Read it from the bottom up.

1. **Live.** `worker` follows Kafka, `replay` reads logs; both bring events into the store through `ingest`. `repair` puts
   states and dead letters right afterwards.
2. **Learning.** `learning` takes a log and gives settings, item vectors and models, and the figures that judge them.
3. **Serving.** `serving` answers from the store alone.

They share `workspace`, a store opened with the models that made it; `counts`, kept in the store beside the states;
`letters`, kept in a topic; `broker` and `transport`, which are Kafka; `event_log` and `files`, which lie on disk; and
`events`, which all of them are about. `settings` alone reads the environment, `cli` has one file a command, `demo` is the
quickstart.

docs/architecture.md walks an event, a log and a request through it.
"""
