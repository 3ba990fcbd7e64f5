# SPDX-License-Identifier: Apache-2.0
"""What the pages share: head, style, plotly's script once inside the page, charts that zoom together."""

from __future__ import annotations

import html
from pathlib import Path

import plotly.graph_objects as go
from plotly.offline import get_plotlyjs

_STYLE = """
:root{color-scheme:light}*{box-sizing:border-box}html{scroll-behavior:smooth}
body{font-family:system-ui,sans-serif;margin:0 auto;max-width:1100px;padding:.8rem;color:#20242a}
body{line-height:1.45}
h1{font-size:1.4rem;margin:.3rem 0}h2{font-size:1.15rem;margin:1.8rem 0 .3rem}h3{font-size:.95rem;margin:.8rem 0 0}
.wide{overflow-x:auto}table{border-collapse:collapse;margin:.4rem 0;font-size:.9rem}
td,th{padding:.25rem .6rem;border-bottom:1px solid #e2e5e9;text-align:left}td,th{white-space:nowrap}
td:first-child{white-space:normal;min-width:6rem}
td.n,th.n{text-align:right}
table.people td{white-space:normal;vertical-align:top}
td small{color:#5a6470}.note{color:#5a6470;font-size:.9rem}
.cards{display:flex;flex-wrap:wrap;gap:.5rem;margin:.6rem 0}
.card{background:#f4f6f8;border-radius:8px;padding:.5rem .8rem;min-width:8.5rem;flex:1}
.card b{display:block;font-size:1.25rem}.card small{color:#5a6470}
a{color:#1a5fb4}video{width:100%;max-width:760px;border-radius:6px}img.face{width:56px;border-radius:4px;display:block}
pre{overflow-x:auto;background:#f4f6f8;padding:.6rem;font-size:.8rem}summary{cursor:pointer;padding:.3rem 0}
section:focus-visible,a:focus-visible,.tip:focus-visible{outline:2px solid #1a5fb4;outline-offset:3px;border-radius:3px}
.tip{text-decoration:underline dotted #5a6470;text-underline-offset:3px;cursor:help;position:relative}
.tip:hover::after,.tip:focus::after{content:attr(data-tip);position:absolute;left:0;top:1.6em;z-index:9;width:min(22rem,80vw);
 background:#20242a;color:#fff;padding:.5rem .7rem;border-radius:6px;font:400 .85rem/1.4 system-ui,sans-serif;
 white-space:normal;text-align:left}
th:last-child .tip::after{left:auto;right:0}
@media(max-width:700px){td,th{padding:.2rem .4rem}.card{min-width:7rem}
 table.people,table.people tbody,table.people tr,table.people td{display:block;border:0;padding:.1rem 0}
 table.people tr{border-bottom:1px solid #e2e5e9;padding:.5rem 0}table.people tr:first-child{display:none}
 table.people td::before{content:attr(data-about) " ";color:#5a6470;font-size:.8rem}}
@media print{body{max-width:none;padding:0}video,.modebar,.screen{display:none!important}.chart{break-inside:avoid}
 h2,h3{break-after:avoid}.wide{overflow:visible}a{color:inherit;text-decoration:none}}
"""
# A chart is drawn when it comes near the view. Charts of one person zoom together; a link to a moment zooms them there.
_SCRIPT = """
requestAnimationFrame(function(){setTimeout(function(){
var own=document.createElement('script');own.text=document.getElementById('plotly').textContent;
document.body.appendChild(own);
var busy=false,touch=matchMedia('(pointer:coarse)').matches;
function draw(box){if(box.drawn)return box.drawn;
 var f=JSON.parse(box.firstElementChild.textContent);box.textContent='';
 if(touch)f.layout.dragmode=false;
 var set={responsive:true,displayModeBar:false};
 box.whole=f.layout.xaxis&&f.layout.xaxis.range?f.layout.xaxis.range.slice():null;
 return box.drawn=Plotly.newPlot(box,f.data,f.layout,set).then(function(){
  var group=box.closest('[data-group]');if(!group)return;var name=group.dataset.group;
  if(group.now)Plotly.relayout(box,{'xaxis.range':group.now.slice()});
  box.on('plotly_relayout',function(e){if(busy)return;
   if(e['xaxis.range[0]']!==undefined)zoom(name,[e['xaxis.range[0]'],e['xaxis.range[1]']]);
   else if(e['xaxis.range'])zoom(name,e['xaxis.range']);
   else if(e['xaxis.autorange'])zoom(name,null)})})}
function group(name){return document.querySelector('[data-group="'+name+'"]')}
function boxes(name){return Array.from(group(name).querySelectorAll('.chart'))}
function zoom(name,range){busy=true;group(name).now=range;
 Promise.all(boxes(name).filter(function(b){return b.drawn}).map(function(b){return b.drawn.then(function(){
  return Plotly.relayout(b,{'xaxis.range':(range||b.whole).slice()})})})).then(function(){busy=false})}
var near=new IntersectionObserver(function(seen){seen.forEach(function(s){if(s.isIntersecting){
 near.unobserve(s.target);draw(s.target)}})},{rootMargin:'300px'});
document.querySelectorAll('.chart').forEach(function(b){near.observe(b)});
document.querySelectorAll('a[data-at]').forEach(function(a){a.addEventListener('click',function(){
 var at=parseFloat(a.dataset.at);zoom(a.getAttribute('href').slice(1),[Math.max(at-2,0),at+2])})});
document.querySelectorAll('[data-group]').forEach(function(s){s.addEventListener('keydown',function(e){
 if(e.target!==s)return;var whole=(boxes(s.dataset.group).find(function(b){return b.whole})||{}).whole;if(!whole)return;
 var r=(s.now||whole).slice(),w=r[1]-r[0],m=(r[0]+r[1])/2;
 if(e.key==='ArrowLeft')r=[r[0]-w/4,r[1]-w/4];else if(e.key==='ArrowRight')r=[r[0]+w/4,r[1]+w/4];
 else if(e.key==='+'||e.key==='=')r=[m-w/4,m+w/4];else if(e.key==='-')r=[m-w,m+w];
 else if(e.key==='0')r=null;else return;
 e.preventDefault();
 if(r){w=Math.min(r[1]-r[0],whole[1]-whole[0]);var a=Math.min(Math.max(r[0],whole[0]),whole[1]-w);r=[a,a+w]}
 zoom(s.dataset.group,r)})});
function all(){return Promise.all(Array.from(document.querySelectorAll('.chart')).map(draw))}
window.drawAll=all;
// What is printed is what stands when the handler returns: a resize of plotly's own comes later.
window.addEventListener('beforeprint',function(){document.body.style.maxWidth='700px';
 document.querySelectorAll('.chart').forEach(function(b){draw(b);
  if(b._fullLayout)Plotly.relayout(b,{width:b.clientWidth})})});
window.addEventListener('afterprint',function(){document.body.style.maxWidth='';
 document.querySelectorAll('.chart').forEach(function(b){Plotly.relayout(b,{width:null,autosize:true})})});
})});
"""


def document(title: str, parts: list[str]) -> str:
    """A whole page that needs nothing beside it. Its words are shown before plotly's script, 4.8 MB, is read."""
    head = [
        "<!doctype html><html lang=en><head><meta charset=utf-8>",
        f"<title>{html.escape(title)}</title>",
        "<meta name=viewport content='width=device-width,initial-scale=1'>",
        f"<style>{_STYLE}</style></head><body><h1>{html.escape(title)}</h1>",
    ]
    plotly = f"<script id=plotly type='text/plain'>{get_plotlyjs()}</script>"
    return "\n".join([*head, *parts, f"{plotly}<script>{_SCRIPT}</script></body></html>\n"])


def chart(figure: go.Figure) -> str:
    """A chart as wide as the page, drawn by the document's script when it comes near the view."""
    content = figure.to_json().replace("</", "<\\/")  # nothing in it ends the script
    height = figure.layout.height or 300
    return f"<div class=chart style='height:{height}px'><script type='application/json'>{content}</script></div>"


def explained(word: str, meaning: str) -> str:
    """A word that says what it means when it is pointed at, touched or reached with the Tab key."""
    return f"<span class=tip tabindex=0 data-tip='{html.escape(meaning, quote=True)}'>{html.escape(word)}</span>"


def write(page: Path, text: str) -> Path:
    """The file appears whole. Raises OSError."""
    part = page.with_name(page.name + ".part")
    part.write_text(text, encoding="utf-8", errors="backslashreplace")
    part.replace(page)
    return page
