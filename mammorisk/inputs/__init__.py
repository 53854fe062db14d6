"""From records to the arrays that networks take."""
