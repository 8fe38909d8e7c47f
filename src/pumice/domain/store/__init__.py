"""Values and rules of the model store: references, manifests, records of versions, the history of aliases."""
