"""The action server: every action over HTTP, with keys, limits and an OpenAPI document; `spectra serve`."""
