"""All probes, the ones that may cost the server its life last."""

from tests.torture.probes import a_transport, b_protocol, c_binary, d_behaviour, e_faults

__all__ = ["a_transport", "b_protocol", "c_binary", "d_behaviour", "e_faults"]
