/** Group 5: what an outage of each part of the mesh breaks, what it does not, and how it heals. */
