"""The colours of drawings and reports, in light and dark; each text has a contrast of at least 4.5 to its ground."""

from typing import Final

_LIGHT: Final = """
--bg:#fff;--panel:#f6f8fa;--ink:#16202c;--muted:#556170;--line:#d8dee6;--edge:#a3adba;--strong:#344354;--focus:#0b57a4;
--done-fill:#e7f4eb;--done-line:#2e7d4f;--done-ink:#1a5c36;
--failed-fill:#fdeceb;--failed-line:#b3261e;--failed-ink:#8f1d16;
--waiting-fill:#fdf3dc;--waiting-line:#9a6700;--waiting-ink:#6f4a00;
--running-fill:#e5effa;--running-line:#1a66b8;--running-ink:#0b4a8c;
--none-fill:#fff;--none-line:#b4bdc8;--none-ink:#556170;
--seen-fill:#e8f1f8;--seen-line:#3b6e9c;--judged-fill:#f0edf8;--judged-line:#6a4fa3;"""
_DARK: Final = """
--bg:#11161d;--panel:#181f28;--ink:#e7ecf2;--muted:#a3afbd;--line:#2d3743;--edge:#5f6b79;--strong:#c3cdd8;--focus:#7db7f5;
--done-fill:#13301f;--done-line:#4fae78;--done-ink:#a6e3bd;
--failed-fill:#3a1a18;--failed-line:#e5685f;--failed-ink:#ffb4ad;
--waiting-fill:#35290c;--waiting-line:#d29a2b;--waiting-ink:#f4d38a;
--running-fill:#12293f;--running-line:#5aa2ec;--running-ink:#b4d7fb;
--none-fill:#11161d;--none-line:#4d5966;--none-ink:#a3afbd;
--seen-fill:#14283a;--seen-line:#5d9bd0;--judged-fill:#251f38;--judged-line:#9f86dc;"""

PALETTE: Final = (
    f":root{{color-scheme:light dark;{_LIGHT}}}\n"
    f"@media screen and (prefers-color-scheme:dark){{:root{{{_DARK}}}}}\n"
    ".done{--fill:var(--done-fill);--stroke:var(--done-line);--text:var(--done-ink)}\n"
    ".failed{--fill:var(--failed-fill);--stroke:var(--failed-line);--text:var(--failed-ink)}\n"
    ".waiting{--fill:var(--waiting-fill);--stroke:var(--waiting-line);--text:var(--waiting-ink)}\n"
    ".running{--fill:var(--running-fill);--stroke:var(--running-line);--text:var(--running-ink)}\n"
    ".none{--fill:var(--none-fill);--stroke:var(--none-line);--text:var(--none-ink)}\n"
    ".seen{--fill:var(--seen-fill);--stroke:var(--seen-line);--text:var(--ink)}\n"
    ".judged{--fill:var(--judged-fill);--stroke:var(--judged-line);--text:var(--ink)}\n"
)

FONT: Final = '-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,"Liberation Sans",sans-serif'

DRAWING: Final = (
    f".drawing{{font-family:{FONT};font-size:13px}}\n"
    ".drawing .box{fill:var(--fill);stroke:var(--stroke);stroke-width:1.3}\n"
    ".drawing .bars{fill:none;stroke:var(--stroke);stroke-width:1.3}\n"
    ".drawing .none .box{stroke-dasharray:4 3}\n"
    ".drawing .title{fill:var(--ink);font-weight:550}\n"
    ".drawing .none .title{fill:var(--muted);font-weight:400}\n"
    ".drawing .small{fill:var(--muted);font-size:11px}\n"
    ".drawing .mark{fill:var(--stroke)}\n"
    ".drawing .glyph{fill:none;stroke:var(--bg);stroke-width:1.8;stroke-linecap:round;stroke-linejoin:round}\n"
    ".drawing .hollow{fill:none;stroke:var(--stroke);stroke-width:1.3}\n"
    ".drawing .count{fill:var(--text);font-size:11px;font-weight:600}\n"
    ".drawing .way{fill:none;stroke:var(--edge);stroke-width:1.2}\n"
    ".drawing .near{fill:none;stroke:transparent;stroke-width:12}\n"
    ".drawing .head{fill:var(--edge)}\n"
    ".drawing .taken .way{stroke:var(--strong);stroke-width:2.2}\n"
    ".drawing .taken .head{fill:var(--strong)}\n"
    ".drawing .reference .way{stroke-dasharray:4 4}\n"
    ".drawing .ground{fill:var(--bg)}\n"
    ".drawing .said{fill:var(--muted);font-size:11.5px}\n"
    ".drawing .taken .said{fill:var(--ink);font-weight:600}\n"
    ".drawing [role=button]{cursor:pointer;outline:none}\n"
    ".drawing [role=button]:hover .box{stroke-width:2.2}\n"
    ".drawing [role=button]:hover .said{text-decoration:underline}\n"
    ".drawing [role=button]:focus-visible .box,.drawing .chosen .box{stroke:var(--focus);stroke-width:2.6}\n"
    ".drawing [role=button]:focus-visible .said,.drawing .chosen .said{fill:var(--focus);font-weight:600}\n"
    ".drawing [role=button]:focus-visible .way,.drawing .chosen .way{stroke:var(--focus);stroke-width:2}\n"
)
