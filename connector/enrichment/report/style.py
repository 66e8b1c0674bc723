"""The style of a summary's page: what the page of a playbook run has, and what its charts need beside."""

from typing import Final

from connector.playbooks.drawing.page_style import STYLE as COMMON
from connector.playbooks.drawing.style import PALETTE

_CHARTS: Final = """
:root{--one:var(--running-line);--two:var(--judged-line);--three:var(--strong)}
.malicious{--bar:var(--failed-line)}.suspicious{--bar:var(--waiting-line)}.goodware{--bar:var(--done-line)}
.unknown,.not_found,.passed{--bar:var(--edge)}.enriched,.memory,.family{--bar:var(--one)}
.dead{--bar:var(--failed-line)}.cache{--bar:var(--two)}.appliance{--bar:var(--three)}
.figures{display:grid;grid-template-columns:repeat(auto-fit,minmax(150px,1fr));gap:18px 28px;margin-top:22px;
padding:18px 0;border-block:1px solid var(--line)}
.figures dd{font-size:25px;line-height:1.25;font-weight:600;letter-spacing:-.01em;font-variant-numeric:tabular-nums}
.figures dd small{display:block;font-size:13px;font-weight:400;letter-spacing:0;color:var(--muted)}
.pair{display:grid;grid-template-columns:repeat(2,minmax(0,1fr));gap:0 48px}
.bars{border-collapse:collapse;width:100%;table-layout:fixed}
.bars :is(th,td){padding:5px 0;font-weight:400;text-align:left;vertical-align:middle;line-height:1.35}
.bars thead th{font-size:13px;color:var(--muted);padding-bottom:6px}
.bars .what-col{width:37%}.bars .count-col{width:92px}.bars .share-col{width:76px}.bars .legend-col{width:auto}
.bars tbody th{padding-right:14px;overflow-wrap:anywhere}
.bars .number{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
.bars .share{color:var(--muted)}
.bars bdi{unicode-bidi:isolate}
.bars svg{display:block;width:100%;height:16px;overflow:visible}
.bars .rail{fill:var(--panel)}
.filled{fill:var(--bar)}
.stack{display:block;width:100%;height:28px;margin-bottom:16px;border-radius:4px}
.swatch{display:inline-block;width:11px;height:11px;border-radius:3px;background:var(--bar);margin-right:8px}
.plot{display:grid;grid-template-columns:56px minmax(0,1fr);gap:4px 10px;margin-top:14px}
.plot .up{display:flex;flex-direction:column;justify-content:space-between;text-align:right}
.plot .along{grid-column:2;display:flex;justify-content:space-between}
.plot :is(.up,.along){font-size:12px;color:var(--muted);font-variant-numeric:tabular-nums;line-height:1}
.plot svg{display:block;width:100%;height:150px;overflow:visible}
.plot .grid{stroke:var(--line);stroke-width:1;vector-effect:non-scaling-stroke}
.plot .area{fill:var(--bar);fill-opacity:.16}
.plot .ridge{fill:none;stroke:var(--bar);stroke-width:1.8;stroke-linejoin:round;vector-effect:non-scaling-stroke}
.over h3{margin-top:22px}
.over h3 span{font-weight:400;color:var(--muted)}
details{margin-top:14px;font-size:14px}
summary{cursor:pointer;color:var(--muted)}
details .bars{margin-top:10px;max-width:560px}
@media screen and (max-width:860px){.pair{grid-template-columns:minmax(0,1fr)}}
@media screen and (max-width:720px){
.figures{grid-template-columns:repeat(2,minmax(0,1fr))}
.figures dd{font-size:21px}
.bars:not(.numbers) :is(thead,colgroup){position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}
.bars:not(.numbers),.bars:not(.numbers) tbody{display:block}
.bars:not(.numbers) tbody tr{display:grid;grid-template-columns:minmax(0,1fr) auto;column-gap:12px;padding:5px 0}
.bars.shared tbody tr{grid-template-columns:minmax(0,1fr) auto 62px}
.bars:not(.numbers) tbody :is(th,td){padding:0}
.bars:not(.numbers) td.drawn{grid-column:1/-1;grid-row:2;padding-top:3px}
.bars:not(.numbers) svg{height:9px}
}
@media print{
.figures{grid-template-columns:repeat(5,minmax(0,1fr))}
.figures dd{font-size:17px}
.bars .count-col{width:66px}.bars .share-col{width:50px}
.bars thead th{font-size:11px}
.figures,.bars tr,.plot,.stack{break-inside:avoid}
.pair{grid-template-columns:repeat(2,minmax(0,1fr))}
details:not([open]){display:none}
}
"""

STYLE: Final = f"{PALETTE}{COMMON}{_CHARTS}"
