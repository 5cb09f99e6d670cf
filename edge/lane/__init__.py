from edge.lane.hints import TAG_ID_TYPES, bag_tag
from edge.lane.lane import Lane, Seen
from edge.lane.layout import Contact, Layout, Place, Station

__all__ = ["TAG_ID_TYPES", "Contact", "Lane", "Layout", "Place", "Seen", "Station", "bag_tag"]
