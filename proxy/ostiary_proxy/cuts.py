"""What a caller is told whose request ends early, before any of its answer went out.  Pure."""

from ostiary_proxy.exchange import Cut, failed
from ostiary_proxy.message import Rejection


def refusal(cut: Cut | None) -> Rejection | None:
    """None: the backend's own doing, which whoever waited for it can name."""
    match cut:
        case "silent":
            return failed(504, "The server did not answer in time.", "NoAnswer")
        case "revoked":
            why = "Access was revoked while the call was running."
            return failed(403, why, "Revoked")
        case "draining":
            return failed(503, "This proxy is stopping.", "Draining")
    return None
