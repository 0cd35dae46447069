"""What is wrong on a host, and what mends it: pure checks over facts, and a catalogue of messages."""
