"""Playbooks and runs as pictures: Mermaid for pages, SVG and one self-contained HTML page for a run."""
