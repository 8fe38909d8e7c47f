"""OCI image layouts in the form of the CNCF's ModelPack (https://github.com/modelpack/model-spec)."""

from pumice.exchanges.oci.exchange import Oci

__all__ = ["Oci"]
