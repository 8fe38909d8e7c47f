"""The text-in, text-out gRPC service: `ModelService.Predict`."""
