/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Draws the results of a benchmark: both axes are logarithmic, each transport has a colour
 * and a mark. A line is the median; the band above it reaches to the 99th percentile. Colours
 * come from a style sheet, for light and dark backgrounds.
 */
#include "tools/qbipc/bench.h"

#include <math.h>
#include <string.h>

#define WIDTH 812
#define HEIGHT 476
/* The area inside the axes. */
#define LEFT 84.0
#define RIGHT 592.0
#define TOP 64.0
#define BOTTOM 408.0
/* Half of the width of the band of a single size. */
#define BAND_HALF 6.0

struct plot {
	FILE *out;
	const struct bench_cell *cells;
	size_t n;
	double x_low, x_high; /* logarithms of sizes */
	double y_low, y_high; /* microseconds, steps of the grid */
};

static const char style[] =
	"<style>\n"
	".ground { fill: #ffffff } .ink { fill: #202020 } .axis { stroke: #202020 }\n"
	".grid { stroke: #dddddd }\n"
	".c0 { stroke: #003c78; fill: #003c78 } .c1 { stroke: #8a3800; fill: #8a3800 }\n"
	".c2 { stroke: #2a6a10; fill: #2a6a10 } .c3 { stroke: #6a1b9a; fill: #6a1b9a }\n"
	".line { fill: none; stroke-width: 1.8 } .band { stroke: none; fill-opacity: 0.2 }\n"
	"@media (prefers-color-scheme: dark) {\n"
	".ground { fill: #16181c } .ink { fill: #e6e6e6 } .axis { stroke: #e6e6e6 }\n"
	".grid { stroke: #3a3d44 }\n"
	".c0 { stroke: #7db8ff; fill: #7db8ff } .c1 { stroke: #ffb07a; fill: #ffb07a }\n"
	".c2 { stroke: #9be36b; fill: #9be36b } .c3 { stroke: #d79bff; fill: #d79bff }\n"
	".line { fill: none } }\n"
	"</style>\n";

static double place_x(const struct plot *p, double size)
{
	return LEFT + (log(size) - p->x_low) / (p->x_high - p->x_low) * (RIGHT - LEFT);
}

static double place_y(const struct plot *p, double us)
{
	double part = log(us / p->y_low) / log(p->y_high / p->y_low);

	return BOTTOM - part * (BOTTOM - TOP);
}

/* The largest of 1, 2, 5, 10, 20 and so on, and of their tenths, not above @x. */
static double step_below(double x)
{
	double decade = pow(10, floor(log10(x * 1.0001)));

	return decade * (x * 1.0001 >= 5 * decade ? 5 : x * 1.0001 >= 2 * decade ? 2 : 1);
}

static double step_after(double step)
{
	return step_below(step * 2.5);
}

static void range_find(struct plot *p)
{
	double low = p->cells[0].p50_us, high = low;
	size_t smallest = p->cells[0].size, largest = smallest, i;

	for (i = 0; i < p->n; i++) {
		const struct bench_cell *c = &p->cells[i];

		low = fmin(low, fmin(c->p50_us, c->p99_us));
		high = fmax(high, fmax(c->p50_us, c->p99_us));
		smallest = c->size < smallest ? c->size : smallest;
		largest = c->size > largest ? c->size : largest;
	}
	p->x_low = log((double)smallest) - 0.3;
	p->x_high = log((double)largest) + 0.3;
	/* A time of 0, from a coarse clock, would have no logarithm. */
	p->y_low = step_below(fmax(low, 0.01));
	p->y_high = step_after(step_below(fmax(high, 0.01)));
}

/* A text from outside, such as the name of a processor. */
static void text_put(FILE *out, const char *text)
{
	for (; *text; text++) {
		if (*text == '&')
			fputs("&amp;", out);
		else if (*text == '<')
			fputs("&lt;", out);
		else
			fputc(*text, out);
	}
}

static void text_at(const struct plot *p, double x, double y, const char *attributes,
		    const char *text)
{
	fprintf(p->out, "<text class=\"ink\" x=\"%.1f\" y=\"%.1f\" %s>", x, y, attributes);
	text_put(p->out, text);
	fputs("</text>\n", p->out);
}

static void line_at(const struct plot *p, double x1, double y1, double x2, double y2,
		    const char *class)
{
	fprintf(p->out,
		"<line class=\"%s\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" "
		"y2=\"%.1f\"/>\n",
		class, x1, y1, x2, y2);
}

static void size_name(size_t size, char *buf, size_t room)
{
	if (size >= 1 << 20 && size % (1 << 20) == 0)
		snprintf(buf, room, "%zu MiB", size >> 20);
	else if (size >= 1 << 10 && size % (1 << 10) == 0)
		snprintf(buf, room, "%zu KiB", size >> 10);
	else
		snprintf(buf, room, "%zu B", size);
}

/* Label each size once, unless the labels would overlap. */
static void x_axis_draw(const struct plot *p)
{
	double last = -1000;
	char name[32];
	size_t i;

	for (i = 0; i < p->n && p->cells[i].transport == p->cells[0].transport; i++) {
		double x = place_x(p, (double)p->cells[i].size);

		line_at(p, x, TOP, x, BOTTOM, "grid");
		if (x - last < 52)
			continue;
		size_name(p->cells[i].size, name, sizeof(name));
		text_at(p, x, BOTTOM + 20, "text-anchor=\"middle\"", name);
		last = x;
	}
	line_at(p, LEFT, BOTTOM, RIGHT, BOTTOM, "axis");
	text_at(p, (LEFT + RIGHT) / 2, BOTTOM + 46, "text-anchor=\"middle\"",
		"size of the request, and of its response");
}

static void y_axis_draw(const struct plot *p)
{
	char name[32];
	double step;

	for (step = p->y_low; step <= p->y_high * 1.001; step = step_after(step)) {
		line_at(p, LEFT, place_y(p, step), RIGHT, place_y(p, step), "grid");
		snprintf(name, sizeof(name), "%g", step);
		text_at(p, LEFT - 8, place_y(p, step) + 4, "text-anchor=\"end\"", name);
	}
	line_at(p, LEFT, TOP, LEFT, BOTTOM, "axis");
	text_at(p, 0, 0, "text-anchor=\"middle\" transform=\"translate(26 236) rotate(-90)\"",
		"one call, microseconds");
}

static void mark_at(const struct plot *p, size_t colour, double x, double y)
{
	static const char *const shapes[] = {
		"-4 -4 4 -4 4 4 -4 4",
		"0 -6 5.5 4 -5.5 4",
		"0 -6 6 0 0 6 -6 0",
		"-6 0 -2 -2 0 -6 2 -2 6 0 2 2 0 6 -2 2",
	};

	fprintf(p->out,
		"<polygon class=\"c%zu\" transform=\"translate(%.1f %.1f)\" "
		"points=\"%s\"/>\n",
		colour, x, y, shapes[colour]);
}

static double median_y(const struct plot *p, const struct bench_cell *c)
{
	return place_y(p, fmax(c->p50_us, 0.01));
}

static double tail_y(const struct plot *p, const struct bench_cell *c)
{
	return place_y(p, fmax(c->p99_us, 0.01));
}

/* From the medians of the @n cells of one transport, up to the 99th percentiles. */
static void band_draw(const struct plot *p, const struct bench_cell *cells, size_t n,
		      size_t colour)
{
	double more = n == 1 ? BAND_HALF : 0;
	size_t i;

	fprintf(p->out, "<polygon class=\"c%zu band\" points=\"", colour);
	for (i = 0; i < n; i++)
		fprintf(p->out, "%.1f,%.1f ", place_x(p, (double)cells[i].size) - more,
			tail_y(p, &cells[i]));
	if (n == 1)
		fprintf(p->out, "%.1f,%.1f ", place_x(p, (double)cells[0].size) + more,
			tail_y(p, &cells[0]));
	for (i = n; i-- > 0;)
		fprintf(p->out, "%.1f,%.1f ", place_x(p, (double)cells[i].size) + more,
			median_y(p, &cells[i]));
	if (n == 1)
		fprintf(p->out, "%.1f,%.1f", place_x(p, (double)cells[0].size) - more,
			median_y(p, &cells[0]));
	fputs("\"/>\n", p->out);
}

static void medians_draw(const struct plot *p, const struct bench_cell *cells, size_t n,
			 size_t colour)
{
	size_t i;

	fprintf(p->out, "<polyline class=\"c%zu line\" points=\"", colour);
	for (i = 0; i < n; i++)
		fprintf(p->out, "%s%.1f,%.1f", i ? " " : "", place_x(p, (double)cells[i].size),
			median_y(p, &cells[i]));
	fputs("\"/>\n", p->out);
	for (i = 0; i < n; i++)
		mark_at(p, colour, place_x(p, (double)cells[i].size), median_y(p, &cells[i]));
}

static void legend_draw(const struct plot *p, const char *transport, size_t colour)
{
	double y = TOP + 12 + 24 * (double)colour;
	char class[32];

	snprintf(class, sizeof(class), "c%zu line", colour);
	line_at(p, RIGHT + 14, y, RIGHT + 52, y, class);
	mark_at(p, colour, RIGHT + 33, y);
	text_at(p, RIGHT + 60, y + 4, "", transport);
}

/* Below the transports: the meaning of line and band. */
static void legend_end(const struct plot *p, size_t transports)
{
	double y = TOP + 12 + 24 * (double)transports;

	text_at(p, RIGHT + 14, y + 10, "font-size=\"12\"", "line: median");
	text_at(p, RIGHT + 14, y + 28, "font-size=\"12\"", "band: up to the 99th percentile");
}

static void transports_draw(const struct plot *p)
{
	size_t begin = 0, end, colour = 0;

	for (; begin < p->n; begin = end, colour++) {
		const char *transport = p->cells[begin].transport;

		for (end = begin; end < p->n && p->cells[end].transport == transport; end++)
			;
		band_draw(p, &p->cells[begin], end - begin, colour);
		medians_draw(p, &p->cells[begin], end - begin, colour);
		legend_draw(p, transport, colour);
	}
	legend_end(p, colour);
}

void bench_plot(FILE *out, const struct bench_cell *cells, size_t n, const char *machine)
{
	struct plot p = { .out = out, .cells = cells, .n = n };

	range_find(&p);
	fprintf(out,
		"<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" "
		"width=\"%d\" height=\"%d\" role=\"img\" font-family=\"sans-serif\" "
		"font-size=\"13\">\n",
		WIDTH, HEIGHT, WIDTH, HEIGHT);
	fputs("<title>Calls against message size: ", out);
	text_put(out, machine);
	fprintf(out, "</title>\n%s", style);
	fprintf(out, "<rect class=\"ground\" width=\"%d\" height=\"%d\"/>\n", WIDTH, HEIGHT);
	text_at(&p, LEFT, 28, "font-size=\"16\" font-weight=\"bold\"",
		"Calls against message size");
	text_at(&p, LEFT, 48, "font-size=\"12\"", machine);
	y_axis_draw(&p);
	x_axis_draw(&p);
	transports_draw(&p);
	fputs("</svg>\n", out);
}
