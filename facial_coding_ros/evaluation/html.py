"""What the pages share: head, style, plotly's script once inside the page, charts that zoom together."""

from __future__ import annotations

import html
from pathlib import Path

import plotly.graph_objects as go
import plotly.io as pio
from plotly.offline import get_plotlyjs

_STYLE = """
:root{color-scheme:light}*{box-sizing:border-box}
body{font-family:system-ui,sans-serif;margin:0 auto;max-width:1100px;padding:.8rem;color:#20242a}
body{line-height:1.45}
h1{font-size:1.4rem;margin:.3rem 0}h2{font-size:1.15rem;margin:1.8rem 0 .3rem}h3{font-size:.95rem;margin:.8rem 0 0}
.wide{overflow-x:auto}table{border-collapse:collapse;margin:.4rem 0;font-size:.9rem}
td,th{padding:.25rem .6rem;border-bottom:1px solid #e2e5e9;text-align:left}td,th{white-space:nowrap}
td:first-child{white-space:normal;min-width:6rem}
td.n,th.n{text-align:right}
td small{color:#5a6470}.note{color:#5a6470;font-size:.9rem}
.cards{display:flex;flex-wrap:wrap;gap:.5rem;margin:.6rem 0}
.card{background:#f4f6f8;border-radius:8px;padding:.5rem .8rem;min-width:8.5rem;flex:1}
.card b{display:block;font-size:1.25rem}.card small{color:#5a6470}
a{color:#1a5fb4}video{width:100%;max-width:760px;border-radius:6px}img.face{width:56px;border-radius:4px;display:block}
pre{overflow-x:auto;background:#f4f6f8;padding:.6rem;font-size:.8rem}summary{cursor:pointer;padding:.3rem 0}
@media(max-width:600px){td,th{padding:.2rem .4rem}.card{min-width:7rem}}
"""
# Charts of one person zoom together; a link to a moment zooms them there.
_SCRIPT = """
(function(){
var busy=false;
function group(name){return document.querySelectorAll('[data-group="'+name+'"] .plotly-graph-div')}
function zoom(name,range){busy=true;var all=[];group(name).forEach(function(g){
 all.push(Plotly.relayout(g,range?{'xaxis.range':range}:{'xaxis.autorange':true}))});
 Promise.all(all).then(function(){busy=false})}
document.querySelectorAll('[data-group] .plotly-graph-div').forEach(function(g){
 var name=g.closest('[data-group]').dataset.group;
 g.on('plotly_relayout',function(e){if(busy)return;
  if(e['xaxis.range[0]']!==undefined)zoom(name,[e['xaxis.range[0]'],e['xaxis.range[1]']]);
  else if(e['xaxis.autorange'])zoom(name,null)})});
document.querySelectorAll('a[data-at]').forEach(function(a){a.addEventListener('click',function(){
 var at=parseFloat(a.dataset.at);zoom(a.getAttribute('href').slice(1),[Math.max(at-2,0),at+2])})});
})();
"""


def document(title: str, parts: list[str]) -> str:
    """A whole page that needs nothing beside it."""
    head = [
        "<!doctype html><html lang=en><head><meta charset=utf-8>",
        f"<title>{html.escape(title)}</title>",
        "<meta name=viewport content='width=device-width,initial-scale=1'>",
        f"<style>{_STYLE}</style><script>{get_plotlyjs()}</script></head><body><h1>{html.escape(title)}</h1>",
    ]
    return "\n".join([*head, *parts, f"<script>{_SCRIPT}</script></body></html>\n"])


def chart(figure: go.Figure) -> str:
    """A chart as wide as the page; plotly's script is the document's."""
    config = {"responsive": True, "displaylogo": False, "modeBarButtonsToRemove": ["select2d", "lasso2d"]}
    return str(pio.to_html(figure, full_html=False, include_plotlyjs=False, config=config, default_width="100%"))


def write(page: Path, text: str) -> Path:
    """The file appears whole. Raises OSError."""
    part = page.with_name(page.name + ".part")
    part.write_text(text, encoding="utf-8", errors="backslashreplace")
    part.replace(page)
    return page
