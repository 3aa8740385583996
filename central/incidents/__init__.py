"""Incidents (突发事件): what an alarm opens and people acknowledge and close."""
