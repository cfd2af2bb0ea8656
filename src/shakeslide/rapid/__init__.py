"""A new earthquake, nothing mapped yet: landslide maps, totals and exposure from a ShakeMap."""
