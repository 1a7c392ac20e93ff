package gpucapacity

import (
	"cmp"
	"fmt"
	"html"
	"slices"
	"strings"

	"github.com/mlkube/terraform-provider-mlk/internal/gpu"
)

// Measures of the chart, in pixels.
const (
	chartWidth = 960
	margin     = 24
	cell       = 11
	pitch      = 15
	inRow      = 8
	// tileWidth and tileHead are those of a node: its name stands above its cells.
	tileWidth = 130
	tileHead  = 16
	tileFoot  = 12
	// mostCells is how many GPUs of a node are drawn, nameLength how much of its name.
	mostCells  = 64
	nameLength = 20
)

// Colours, such that people who see fewer of them can tell them apart.
var palette = []string{"#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#6A51A3", "#A6761D", "#8DB600"}

const (
	colourOthers = "#6B7280"
	colourFree   = "#EEF2F6"
	colourShut   = "#D5DBE1"
	colourIll    = "#FDE4E4"
	edgeFree     = "#A9B6C3"
	edgeIll      = "#C62828"
	ink, faint   = "#1F2933", "#6B7785"
)

// tile is one resource of one node, as it is drawn.
type tile struct {
	n *node
	d gpu.Device
}

// artist draws a chart from the top down.
type artist struct {
	colours map[string]string
	text    strings.Builder
	// marks are the outlines of cells, by style.
	marks map[string]*strings.Builder
	y     int
}

// chart draws at most so many nodes: all, or those that are used first. The same
// cluster gives the same text.
func (c *census) chart(most int) string {
	a := &artist{colours: map[string]string{}, marks: map[string]*strings.Builder{}}
	holders := c.holders()
	for i, s := range holders {
		a.colours[s.name] = colourOthers
		if i < len(palette) {
			a.colours[s.name] = palette[i]
		}
	}
	total := c.total()
	a.head(total)
	a.bar(total, holders)
	a.legend(total, holders)
	shown := c.shown(most)
	for _, g := range c.kinds() {
		a.group(g, shown)
	}
	return a.svg(total)
}

// shown picks the nodes to draw.
func (c *census) shown(most int) map[string]bool {
	nodes := c.sorted()
	used := func(n *node) (out int64) {
		for _, count := range n.held {
			out += count
		}
		return out
	}
	slices.SortStableFunc(nodes, func(a, b *node) int { return cmp.Compare(used(b), used(a)) })
	out := map[string]bool{}
	for _, n := range nodes[:min(most, len(nodes))] {
		out[n.name] = true
	}
	return out
}

// kinds groups what is drawn by product and resource, each node once.
func (c *census) kinds() [][]tile {
	by := map[[2]string][]tile{}
	for _, n := range c.sorted() {
		for _, d := range n.devices {
			k := [2]string{n.product, string(d.Resource)}
			by[k] = append(by[k], tile{n, d})
		}
	}
	var out [][]tile
	for _, tiles := range by {
		out = append(out, tiles)
	}
	slices.SortFunc(out, func(a, b []tile) int {
		return cmp.Or(cmp.Compare(a[0].n.product, b[0].n.product), cmp.Compare(a[0].d.Resource, b[0].d.Resource))
	})
	return out
}

func (a *artist) head(t count) {
	a.write(margin, 42, 22, ink, "bold", fmt.Sprintf("%d of %d GPUs free", t.free, t.capacity))
	parts := []string{fmt.Sprintf("%d in use", t.requested)}
	if t.unavailable > 0 {
		parts = append(parts, fmt.Sprintf("%d on nodes that take no pods", t.unavailable))
	}
	if t.unhealthy > 0 {
		parts = append(parts, fmt.Sprintf("%d unhealthy", t.unhealthy))
	}
	if t.largestPod > 0 {
		parts = append(parts, fmt.Sprintf("largest pod %d", t.largestPod))
	}
	if t.largestGang > 0 {
		parts = append(parts, fmt.Sprintf("largest gang %d × %d", t.largestGang, t.gangEach))
	}
	a.write(margin, 64, 13, faint, "normal", fmt.Sprintf("%d nodes · %s", t.nodes, strings.Join(parts, " · ")))
	a.y = 82
}

// bar is all GPUs as one line, by who holds them.
func (a *artist) bar(t count, holders []*space) {
	all := max(t.capacity, t.requested+t.free+t.unavailable+t.unhealthy)
	if all == 0 {
		return
	}
	const height = 18
	from := 0.0
	part := func(n int64, fill, edge string) {
		if n <= 0 {
			return
		}
		width := float64(chartWidth-2*margin) * float64(n) / float64(all)
		fmt.Fprintf(&a.text, `<rect x="%.1f" y="%d" width="%.1f" height="%d" fill="%s" stroke="%s"/>`+"\n", margin+from, a.y, width, height, fill, edge)
		from += width
	}
	var others int64
	for _, s := range holders {
		if c := a.colours[s.name]; c != colourOthers {
			part(s.gpus, c, "#FFFFFF")
		} else {
			others += s.gpus
		}
	}
	part(others, colourOthers, "#FFFFFF")
	part(t.free, colourFree, edgeFree)
	part(t.unavailable, colourShut, edgeFree)
	part(t.unhealthy, colourIll, edgeIll)
	a.y += height + 22
}

func (a *artist) legend(t count, holders []*space) {
	x := margin
	entry := func(fill, edge, text string) {
		width := 22 + 7*len([]rune(text)) + 14
		if x+width > chartWidth-margin {
			x, a.y = margin, a.y+20
		}
		fmt.Fprintf(&a.text, `<rect x="%d" y="%d" width="%d" height="%d" rx="2" fill="%s" stroke="%s"/>`+"\n", x, a.y-10, cell, cell, fill, edge)
		a.write(x+17, a.y, 12, ink, "normal", text)
		x += width
	}
	var others int64
	var many int
	for _, s := range holders {
		if c := a.colours[s.name]; c != colourOthers {
			entry(c, c, fmt.Sprintf("%s %d", clipped(s.name, 30), s.gpus))
		} else {
			others, many = others+s.gpus, many+1
		}
	}
	if many > 0 {
		entry(colourOthers, colourOthers, fmt.Sprintf("%d other namespaces %d", many, others))
	}
	entry(colourFree, edgeFree, fmt.Sprintf("free %d", t.free))
	if t.unavailable > 0 {
		entry(colourShut, edgeFree, fmt.Sprintf("takes no pods %d", t.unavailable))
	}
	if t.unhealthy > 0 {
		entry(colourIll, edgeIll, fmt.Sprintf("unhealthy %d", t.unhealthy))
	}
	a.y += 34
}

// group draws the nodes of one product.
func (a *artist) group(tiles []tile, shown map[string]bool) {
	var all, hidden count
	var drawn []tile
	for _, t := range tiles {
		all.nodes++
		all.add(t.n, t.d)
		if shown[t.n.name] {
			drawn = append(drawn, t)
		} else {
			hidden.nodes++
			hidden.add(t.n, t.d)
		}
	}
	name := cmp.Or(tiles[0].n.product, "GPUs of unknown product")
	a.write(margin, a.y, 14, ink, "bold", name)
	a.y += 17
	a.write(margin, a.y, 12, faint, "normal", fmt.Sprintf("%s · %s · %d of %d free", tiles[0].d.Resource, nodesOf(all.nodes), all.free, all.capacity))
	a.y += 22
	x, height := margin, 0
	for _, t := range drawn {
		if x+tileWidth > chartWidth-margin+(tileWidth-inRow*pitch) {
			x, a.y, height = margin, a.y+height, 0
		}
		height = max(height, a.tile(t, x))
		x += tileWidth
	}
	a.y += height
	if hidden.nodes > 0 {
		a.write(margin, a.y+2, 12, faint, "normal", fmt.Sprintf("and %s more, with %d of %d free", nodesOf(hidden.nodes), hidden.free, hidden.capacity))
		a.y += 20
	}
	a.y += 14
}

func nodesOf(n int64) string {
	if n == 1 {
		return "1 node"
	}
	return fmt.Sprintf("%d nodes", n)
}

// tile draws a node and returns its height.
func (a *artist) tile(t tile, x int) int {
	colour := ink
	if !t.n.open {
		colour = faint
	}
	a.write(x, a.y, 10, colour, "normal", clipped(t.n.name, nameLength))
	cells := a.cells(t)
	more := len(cells) - mostCells
	if more > 0 {
		cells = cells[:mostCells]
	}
	top := a.y + tileHead - cell
	for i, style := range cells {
		b := a.marks[style]
		if b == nil {
			b = &strings.Builder{}
			a.marks[style] = b
		}
		at, to := x+i%inRow*pitch+1, top+i/inRow*pitch+1
		fmt.Fprintf(b, "M%d %dh%dv%dh-%dz", at, to, cell-2, cell-2, cell-2)
		if style == colourIll {
			fmt.Fprintf(b, "l%d %dm0-%dl-%d %d", cell-2, cell-2, cell-2, cell-2, cell-2)
		}
	}
	rows := (len(cells) + inRow - 1) / inRow
	if more > 0 {
		a.write(x, top+rows*pitch+9, 10, faint, "normal", fmt.Sprintf("+%d", more))
		rows++
	}
	return tileHead - cell + rows*pitch + tileFoot + 6
}

// cells are the GPUs of a node by what they are: held, free, unhealthy.
func (a *artist) cells(t tile) []string {
	var held []holding
	for h := range t.n.held {
		if h.resource == t.d.Resource {
			held = append(held, h)
		}
	}
	slices.SortFunc(held, func(x, y holding) int { return cmp.Compare(x.namespace, y.namespace) })
	var out []string
	for _, h := range held {
		out = append(out, slices.Repeat([]string{a.colours[h.namespace]}, int(min(t.n.held[h], mostCells*16)))...)
	}
	left := colourFree
	if !t.n.open {
		left = colourShut
	}
	out = append(out, slices.Repeat([]string{left}, int(max(t.d.Allocatable-t.n.requested(t.d.Resource), 0)))...)
	return append(out, slices.Repeat([]string{colourIll}, int(max(t.d.Capacity-max(t.d.Allocatable, t.n.requested(t.d.Resource)), 0)))...)
}

func (a *artist) write(x, y, size int, colour, weight, text string) {
	fmt.Fprintf(&a.text, `<text x="%d" y="%d" font-size="%d" font-weight="%s" fill="%s">%s</text>`+"\n", x, y, size, weight, colour, html.EscapeString(text))
}

// svg puts the parts together.
func (a *artist) svg(t count) string {
	var out strings.Builder
	height := a.y
	fmt.Fprintf(&out, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" role="img" font-family="system-ui, -apple-system, Segoe UI, Helvetica, Arial, sans-serif">`+"\n", chartWidth, height, chartWidth, height)
	fmt.Fprintf(&out, "<title>%d of %d GPUs free</title>\n", t.free, t.capacity)
	fmt.Fprintf(&out, `<rect x="0.5" y="0.5" width="%d" height="%d" rx="8" fill="#FFFFFF" stroke="#D5DBE1"/>`+"\n", chartWidth-1, height-1)
	out.WriteString(a.text.String())
	styles := make([]string, 0, len(a.marks))
	for s := range a.marks {
		styles = append(styles, s)
	}
	slices.Sort(styles)
	for _, s := range styles {
		// The edge in the colour of the square, drawn wide, rounds its corners.
		edge, wide := s, "2"
		switch s {
		case colourFree, colourShut:
			edge, wide = edgeFree, "1"
		case colourIll:
			edge, wide = edgeIll, "1"
		}
		fmt.Fprintf(&out, `<path fill="%s" stroke="%s" stroke-width="%s" stroke-linejoin="round" d="%s"/>`+"\n", s, edge, wide, a.marks[s].String())
	}
	out.WriteString("</svg>\n")
	return out.String()
}

func clipped(s string, most int) string {
	if r := []rune(s); len(r) > most {
		return string(r[:most-1]) + "…"
	}
	return s
}
