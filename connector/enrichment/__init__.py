"""SIEM events go in, the same events with the appliance's verdict in the SIEM's own fields come out, as a stream."""
