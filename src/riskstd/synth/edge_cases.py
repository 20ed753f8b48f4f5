"""Edge cases (to be replaced)."""
def add_edge_cases(world): return []
def write_edge_cases(world, cases, folder): pass
