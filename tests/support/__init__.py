"""What several tests share: real servers, small real models."""
