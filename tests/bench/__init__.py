"""How long Dockwright takes beside what people use today, on the lab's hosts."""
