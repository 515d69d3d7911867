"""HTTP: the base handler, the single error map, routes and the OpenAPI document."""
