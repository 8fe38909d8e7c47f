"""Which version gave which answer: written down for requests whose server was asked to, without what they held."""
