"""`make real-model`: the demo's account on a real inference server."""
