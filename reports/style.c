/* SPDX-License-Identifier: MIT */
#include "style.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * The series are the colours of Okabe and Ito, darkened in light mode and lightened in dark mode
 * where the contrast with the background would be under 3:1. The heat map is one hue: dark means
 * far from the best in light mode, bright means it in dark mode.
 */
const struct colour colours[] = {
	{"background", 0xffffff, 0x12161c},
	{"foreground", 0x1b2230, 0xe6e9ee},
	{"muted", 0x5f6876, 0x98a2b1},
	{"line", 0xd8dce2, 0x2f3742},
	{"panel", 0xf5f6f8, 0x1a2029},
	{"absent", 0xeceef1, 0x1d232c},
	{"good", 0x0b6e4f, 0x45c795},
	{"bad", 0xb3261e, 0xff8a80},
	{"doubt", 0x8a5a00, 0xf0b545},
	{"link", 0x0a5da8, 0x6cb4f2},
	{"series0", 0x0072b2, 0x5aa9e6},
	{"series1", 0xd55e00, 0xf28e5b},
	{"series2", 0x009e73, 0x3cc8a0},
	{"series3", 0xb3478f, 0xe39ac4},
	{"series4", 0xb97a00, 0xf0b546},
	{"series5", 0x3a87b8, 0x9ad0f5},
	{"heat0", 0xe3f1fb, 0x16283a},
	{"heat1", 0xcfe5f6, 0x193450},
	{"heat2", 0xb2d4ee, 0x1d4266},
	{"heat3", 0x8bbde2, 0x23527f},
	{"heat4", 0x5fa1d3, 0x2d689f},
	{"heat5", 0x2c74b0, 0x4a8cc4},
	{"heat6", 0x1b619e, 0x7db4e2},
	{"heat7", 0x0b4479, 0xb4d7f5},
	{"heat_low", 0x1b2231, 0xe6e9ef},  /* text on heat0 to heat4 */
	{"heat_high", 0xfefefe, 0x0d131a}, /* text on heat5 to heat7 */
	{NULL, 0, 0},
};

const char *const page_style[] = {
	"*{box-sizing:border-box}",
	"html{scroll-behavior:smooth;-webkit-text-size-adjust:100%}",
	"body{margin:0;background:var(--background);color:var(--foreground);",
	"font:15px/1.55 system-ui,-apple-system,'Segoe UI','DejaVu Sans',sans-serif}",
	"main{max-width:1120px;margin:0 auto;padding:8px 28px 96px}",
	"nav{position:sticky;top:0;z-index:2;display:flex;flex-wrap:wrap;gap:2px 20px;",
	"padding:9px max(28px,calc((100% - 1064px)/2));background:var(--background);",
	"border-bottom:1px solid var(--line);font-size:13.5px}",
	"nav a{color:var(--muted)}nav a:hover{color:var(--link)}",
	"a{color:var(--link);text-decoration:none}a:hover{text-decoration:underline}",
	"h1{font-size:27px;line-height:1.2;letter-spacing:-.015em;margin:34px 0 6px}",
	"h2{font-size:20px;letter-spacing:-.01em;margin:60px 0 10px;padding-top:18px;",
	"border-top:1px solid var(--line)}",
	"h3{font-size:16px;margin:36px 0 6px}h4{font-size:14.5px;margin:26px 0 2px}",
	"h1,h2,h3,h4{scroll-margin-top:48px}",
	"p{margin:6px 0 12px;max-width:84ch;overflow-wrap:anywhere}",
	".muted,p.note{color:var(--muted)}p.note{font-size:13.5px}",
	"p.warning{border-left:3px solid var(--doubt);padding:6px 12px;background:var(--panel)}",
	"code{font:.88em ui-monospace,'DejaVu Sans Mono',monospace;overflow-wrap:anywhere}",
	"ul{margin:6px 0 14px;padding-left:20px}ul.tests{margin:4px 0;font-size:13px}",
	"ul.verdicts{list-style:none;padding:0;margin:16px 0 20px}",
	"ul.verdicts li{padding:9px 14px;margin:6px 0;background:var(--panel);",
	"border-left:4px solid var(--line)}",
	"ul.verdicts li.good{border-color:var(--good)}ul.verdicts li.bad{border-color:var(--bad)}",
	"ul.verdicts li.doubt{border-color:var(--doubt)}",
	".scroll{overflow-x:auto;margin:8px 0 18px}",
	"table{border-collapse:collapse;font-size:13.5px;font-variant-numeric:tabular-nums}",
	"th,td{padding:5px 12px;text-align:left;vertical-align:top;",
	"border-bottom:1px solid var(--line);overflow-wrap:break-word}",
	"th{font-weight:600;color:var(--muted);white-space:nowrap;vertical-align:bottom}",
	"th:first-child,td:first-child{padding-left:2px}",
	"th.n,td.n{text-align:right;white-space:nowrap}",
	"td.name{white-space:nowrap}td.wide{min-width:260px}td.lowest{min-width:190px}",
	"tbody tr:hover td{background:var(--panel)}",
	"td.v{white-space:nowrap}td.pass,td.partly{color:var(--good)}",
	"td.fail,td.timeout,td.crash,td.sanitizer,td.bad{color:var(--bad);font-weight:600}",
	"td.unresolved,td.notrun{color:var(--doubt)}",
	"td.unsupported,td.untested{color:var(--muted)}td.counts{white-space:normal}",
	"table.matrix{width:100%}table.matrix td:nth-child(2){min-width:240px}",
	"table.matrix td.clause{white-space:nowrap;width:86px}",
	"table.matrix th.v,table.matrix td.v{width:132px}",
	"details{margin:4px 0}summary{cursor:pointer;color:var(--muted);font-size:13px}",
	"section>details>summary,main>details>summary{font-size:15px;font-weight:600;",
	"color:var(--foreground);padding:9px 0 5px}",
	"td details{margin:0}figure{margin:10px 0 16px;overflow-x:auto}",
	"figure svg{display:block;max-width:100%;height:auto}",
	".swatch{display:inline-block;width:10px;height:10px;border-radius:5px;margin-right:7px}",
	"@media print{nav{display:none}body{font-size:12px}}",
	NULL,
};

unsigned colour_of(const char *name, int index)
{
	char full[32];

	if (index >= 0)
		snprintf(full, sizeof full, "%s%d", name, index);
	else
		snprintf(full, sizeof full, "%s", name);
	for (const struct colour *colour = colours; colour->name; colour++)
		if (strcmp(colour->name, full) == 0)
			return colour->light;
	abort(); /* a name that the list above lacks */
}
