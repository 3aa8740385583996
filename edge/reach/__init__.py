"""What every process of a kit needs that calls the centre: who the kit is, what time it can be, how it connects."""
