"""Answers about access: who may call what, and what a change of manifests changes of it.

The decision is the proxy's own function on the document that the operator itself renders.
"""
