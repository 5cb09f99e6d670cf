"""Who may look at the technician's page, and who may order; what strangers' pages and strangers' hands cannot do."""

from edge.config.users import Role
from edge.web.guard.guard import guarded
from edge.web.guard.serving import follow_certificate, server_options
from edge.web.guard.visitor import Deed, SignEvent, Visitor

__all__ = ["Deed", "Role", "SignEvent", "Visitor", "follow_certificate", "guarded", "server_options"]
