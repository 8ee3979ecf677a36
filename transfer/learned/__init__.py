"""The learned transfer model: states in; weights, transferred interests, fused vectors and a mixture of components out."""
