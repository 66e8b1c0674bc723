"""The appliance's HTTP face: both API generations, and the lab's own pages."""
