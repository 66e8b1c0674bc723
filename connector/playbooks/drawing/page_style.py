"""The style of a run's page: one column on a telephone, room for the graph beside its details on a desk, and paper."""

from typing import Final

from connector.playbooks.drawing.style import FONT

STYLE: Final = (
    f"html{{background:var(--bg);color:var(--ink);font:15px/1.5 {FONT};-webkit-text-size-adjust:100%}}"
    """
*{box-sizing:border-box}
body{overflow-wrap:anywhere;margin:0 auto;max-width:1180px;padding:40px 32px 64px}
h1,h2,h3,p,dl,dd,pre,table,ul{margin:0;padding:0}
h1{font-size:28px;line-height:1.2;font-weight:650;letter-spacing:-.01em;overflow-wrap:anywhere}
h2{font-size:18px;line-height:1.3;font-weight:650}
h3{font-size:14px;font-weight:600;overflow-wrap:anywhere}
section{margin-top:44px}
section>h2{border-bottom:1px solid var(--line);padding-bottom:8px;margin-bottom:16px}
code,pre,.mono{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,"Liberation Mono",monospace;font-size:12.5px}
code,pre,td,dd{unicode-bidi:isolate;overflow-wrap:anywhere}
a{color:var(--focus)}
:focus-visible{outline:2px solid var(--focus);outline-offset:2px}
.muted,.eyebrow,.note{color:var(--muted)}
.eyebrow{font-size:13px;margin-bottom:4px}
.note{font-size:13px;margin-top:10px}
.headline{display:flex;flex-wrap:wrap;gap:8px 16px;align-items:center}
.summary{margin-top:10px;font-size:16px}
.badge{display:inline-flex;align-items:center;gap:6px;border:1px solid var(--stroke);background:var(--fill);
color:var(--text);border-radius:14px;padding:1px 10px;font-size:13px;font-weight:600;max-width:100%}
.badge::before{content:"";flex:none;width:7px;height:7px;border-radius:50%;background:var(--stroke)}
.headline .badge{font-size:14px;padding:3px 12px}
.facts{display:grid;grid-template-columns:repeat(auto-fit,minmax(190px,1fr));gap:14px 28px;margin-top:22px;
padding:16px 0;border-block:1px solid var(--line)}
dt{color:var(--muted);font-size:13px}
.alert{margin-top:24px;border:1px solid var(--stroke);border-left-width:4px;background:var(--fill);color:var(--text);
border-radius:6px;padding:14px 18px}
.alert h2{font-size:15px;margin-bottom:4px}
.alert p+p{margin-top:6px}
.alert code{color:inherit}
.table{border-collapse:collapse;width:100%;table-layout:fixed}
.table th{text-align:left;white-space:nowrap;font-weight:600;font-size:13px;color:var(--muted);padding:0 16px 8px 0}
.table td{border-top:1px solid var(--line);padding:10px 16px 10px 0;vertical-align:top}
.table tbody tr:last-child td{border-bottom:1px solid var(--line)}
.verdicts :is(th,td):nth-child(2){width:124px}
.verdicts :is(th,td):nth-child(3){width:96px}
.verdicts :is(th,td):nth-child(4){width:22%}
.verdicts :is(th,td):nth-child(5){width:202px}
.verdicts :is(th,td):nth-child(6){width:66px}
.subject{font-weight:550}
.hash{color:var(--muted);display:block;font-size:12px}
.number{font-variant-numeric:tabular-nums}
.scroll{overflow-x:auto;padding-bottom:4px}
.scroll svg{display:block;margin:0 auto;height:auto;width:min(var(--natural),max(100%,calc(var(--natural)*.72)))}
.legend{display:flex;flex-wrap:wrap;gap:6px 20px;margin-top:16px;font-size:13px;color:var(--muted);list-style:none}
.legend li{display:flex;align-items:center;gap:7px}
.legend i{width:14px;height:14px;border-radius:4px;border:1.5px solid var(--stroke);background:var(--fill)}
.legend .none i{border-style:dashed}
.graph{display:grid;grid-template-columns:minmax(0,1fr) 330px;gap:28px;align-items:start}
.detail{background:var(--panel);border:1px solid var(--line);border-radius:8px;
padding:14px 16px;position:sticky;top:16px}
.detail pre{margin-top:10px;max-height:420px;overflow:auto;white-space:pre-wrap;line-height:1.45;font-size:12px}
.graph .scroll{max-height:680px;overflow:auto}
.graph .scroll svg{margin:0}
.tools{margin-top:16px}
button{font:inherit;font-size:14px;font-weight:550;color:var(--ink);background:var(--panel);
border:1px solid var(--edge);border-radius:6px;padding:6px 14px;cursor:pointer}
button:hover{border-color:var(--strong)}
.visits td{padding-block:9px}
.visits :is(th,td):nth-child(1){width:108px}
.visits :is(th,td):nth-child(2){width:30%}
.visits :is(th,td):nth-child(4){width:190px}
.visits .step{padding-left:calc(var(--depth,0)*18px)}
.visits .long{padding-right:0}
.visits .kind{display:block;padding-left:23px;color:var(--muted);font-size:13px}
.visits .quiet td{padding-block:4px;color:var(--muted)}
.what{list-style:none;display:grid;grid-template-columns:minmax(0,1fr);gap:4px;font-size:14px}
.what .wrong{color:var(--failed-ink)}
.set{color:var(--muted)}
.bar{position:relative;height:6px;margin-top:7px;background:var(--panel);border-radius:3px}
.bar i{position:absolute;inset-block:0;left:var(--from);width:max(3px,var(--for));max-width:calc(100% - var(--from));
background:var(--stroke);border-radius:3px}
.name{display:flex;gap:9px;align-items:baseline}
.name>svg{flex:none;width:14px;height:14px;align-self:center}
.pairs{display:grid;gap:18px}
.pairs dt{margin-bottom:4px}
.pairs pre,.value{background:var(--panel);border:1px solid var(--line);border-radius:6px;padding:10px 14px;
white-space:pre-wrap;max-height:520px;overflow:auto}
.two{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,420px),1fr));gap:28px}
.two h3{margin-bottom:10px}
.plain{margin-top:12px;max-width:75ch}
footer{margin-top:56px;color:var(--muted);font-size:13px}
@media (max-width:1000px){.graph{grid-template-columns:minmax(0,1fr)}.detail{position:static}}
@media (max-width:720px){
body{padding:24px 16px 48px}
h1{font-size:23px}
.facts{grid-template-columns:repeat(auto-fit,minmax(150px,1fr))}
section{margin-top:34px}
.table,.table tbody,.table tr,.table td{display:block;width:auto}
.table thead{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}
.table tr{border-top:1px solid var(--line);padding:10px 0}
.table tbody tr:first-child{border-top:0;padding-top:0}
.table tbody tr:last-child{border-bottom:1px solid var(--line)}
.table td,.table tbody tr:last-child td{border:0;padding:2px 0}
.table td[data-label]{display:grid;grid-template-columns:112px minmax(0,1fr);gap:10px}
.table td[data-label]::before{content:attr(data-label);color:var(--muted);font-size:13px}
.table :is(td,th):nth-child(n){width:auto}
.visits .step{padding-left:calc(var(--depth,0)*14px)}
}
@media print{
html{font-size:11px}
body{max-width:none;padding:0}
button,.detail{display:none}
.graph{display:block}
section{margin-top:26px}
h2,h3,thead{break-after:avoid}
tr,.alert,.facts,.scroll{break-inside:avoid}
.scroll,.graph .scroll{overflow:visible;max-height:none}
.scroll svg{width:auto;max-width:100%;max-height:235mm}
.pairs pre,.value{max-height:none}
*{print-color-adjust:exact;-webkit-print-color-adjust:exact}
}
@page{margin:15mm}
"""
)
