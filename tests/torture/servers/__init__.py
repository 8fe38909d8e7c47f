"""The probe model as each server takes it, and how that server is started."""
