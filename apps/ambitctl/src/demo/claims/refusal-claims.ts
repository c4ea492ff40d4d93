/** Group 6: what must be refused is refused, and whoever refused it goes on serving. */
