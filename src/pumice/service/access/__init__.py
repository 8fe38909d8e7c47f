"""Who comes in, with what rights, how often, and what is written down of those who manage.

`pumice.service.access.doors.Doors` is what faces ask. Light to import: databases, Redis and JWT libraries are loaded
by the server that needs them.
"""
