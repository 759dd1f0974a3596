// What htmx does not do: the state of the connection, the charts, Cancel, and Ctrl+Enter.

const stream = document.getElementById("stream");
const dark = matchMedia("(prefers-color-scheme: dark)");
const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

function tell(state, text) {
  document.getElementById("live").dataset.state = state;
  const words = document.getElementById("live-text");
  if (words.textContent !== text) words.textContent = text;
}

stream.addEventListener("htmx:sse:after:connection", () => tell("live", "live"));
for (const lost of ["htmx:sse:error", "htmx:sse:close", "htmx:error"]) {
  stream.addEventListener(lost, () => tell("lost", "not connected, trying again"));
}
stream.addEventListener("htmx:sse:before:connection", ({ detail }) => {
  if (detail.connection.attempt > 0) tell("lost", "not connected, trying again");
});

const axis = () => ({
  stroke: color("--dim"),
  grid: { stroke: color("--line"), width: 1 },
  ticks: { show: false },
  font: "12px system-ui, sans-serif",
});

const clock = (seconds) => new Date(seconds * 1000).toISOString().slice(11, 19);

function draw(place, options, data) {
  place.replaceChildren();
  return new uPlot({ width: place.clientWidth, ...options }, data, place);
}

// Rates. Without two moments there is none to draw.

const ratesPlace = document.getElementById("rates");
let rates = null;
let ratesData = null;

function drawRates() {
  rates = draw(
    ratesPlace,
    {
      height: 110,
      legend: { show: false },
      cursor: { show: false },
      scales: { y: { range: (_, __, high) => [0, Math.max((high || 0) * 1.1, 1)] } },
      axes: [
        { ...axis(), size: 26, space: 90, values: (_, splits) => splits.map(clock) },
        { ...axis(), size: 44, space: 28 },
      ],
      series: [
        {},
        { stroke: color("--flow"), width: 1.5, points: { show: false } },
        { stroke: color("--accent"), width: 2, fill: color("--accent-soft"), points: { show: false } },
        { stroke: color("--bad"), width: 2, points: { show: false } },
      ],
    },
    ratesData,
  );
}

stream.addEventListener("rates", ({ detail }) => {
  const { at, changed, delivered, quarantined } = JSON.parse(detail.data);
  if (!at || at.length < 2) return;
  ratesData = [at, changed, delivered, quarantined];
  if (rates) rates.setData(ratesData);
  else drawRates();
});

// A query's result: the first column that is no number names the points, the numbers are drawn.
// The legend repeats the cells' own digits: a drawn number holds no whole one beyond 2^53.

const POINTS_MAX = 60;
const NAME_CHARACTERS = 22;
const CHARACTER_WIDTH = 7;
const VALUES_WIDTH = 60;
let redrawResult = () => {};

function drawResult() {
  const table = document.getElementById("result-table");
  const place = document.getElementById("chart");
  redrawResult = () => {};
  if (!table || table.tBodies[0].rows.length < 2) return;
  const heads = [...table.tHead.rows[0].cells];
  const drawn = heads.flatMap((cell, index) => (cell.classList.contains("number") ? [index] : [])).slice(0, 4);
  const named = heads.findIndex((cell) => !cell.classList.contains("number"));
  if (!drawn.length) return;
  const rows = [...table.tBodies[0].rows].slice(0, POINTS_MAX);
  const text = (row, index) => row.cells[index].textContent;
  const names = rows.map((row, index) => (named < 0 ? String(index + 1) : heads.flatMap((cell, at) => (cell.classList.contains("number") ? [] : [text(row, at)])).join(" ")));
  const nameWidth = (Math.max(...names.map((name) => Math.min(name.length, NAME_CHARACTERS))) + 2) * CHARACTER_WIDTH;
  const data = [
    rows.map((_, index) => index),
    ...drawn.map((column) => rows.map((row) => (text(row, column) === "" ? null : Number(text(row, column))))),
  ];
  const strokes = ["--accent", "--good", "--bad", "--flow"];
  const bars = uPlot.paths.bars({ size: [0.7, 60], radius: 0.2 });
  redrawResult = () =>
    draw(
      place,
      {
        height: 220,
        legend: { show: drawn.length > 1 },
        scales: { x: { time: false, range: [-0.5, rows.length - 0.5] }, y: { range: (_, low, high) => [Math.min(0, low), Math.max(high, 1) * 1.05] } },
        axes: [
          { ...axis(), splits: (u) => data[0].filter((at) => at % Math.ceil((rows.length * nameWidth) / (u.width - VALUES_WIDTH)) === 0), values: (_, splits) => splits.map((at) => (names[at] ?? "").slice(0, NAME_CHARACTERS)) },
          { ...axis(), size: VALUES_WIDTH },
        ],
        series: [
          { label: "row", value: (_, at) => names[at] ?? "" },
          ...drawn.map((column, index) => ({
            label: heads[column].textContent,
            value: (_, __, ___, at) => (at == null ? "" : text(rows[at], column)),
            stroke: color(strokes[index]),
            fill: drawn.length === 1 ? color(strokes[index]) : undefined,
            paths: drawn.length === 1 ? bars : undefined,
            width: 1.5,
            points: { show: drawn.length > 1 },
          })),
        ],
      },
      data,
    );
  redrawResult();
}

const query = document.getElementById("query");
query.addEventListener("htmx:after:swap", drawResult);

// The server stops a query whose asker has gone.

const cancel = document.getElementById("cancel");
const asks = ({ target, detail }) => (detail.ctx.sourceElement ?? target) === query;
query.addEventListener("htmx:before:request", (event) => {
  if (asks(event)) cancel.hidden = false;
});
query.addEventListener("htmx:finally:request", (event) => {
  if (asks(event)) cancel.hidden = true;
});
cancel.addEventListener("click", () => {
  htmx.trigger(query, "htmx:abort");
  document.getElementById("result").textContent = "The query was cancelled.";
});

function redraw() {
  if (ratesData) drawRates();
  redrawResult();
}

let width = innerWidth;
addEventListener("resize", () => {
  if (innerWidth !== width) redraw();
  width = innerWidth;
});
dark.addEventListener("change", redraw);

document.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && event.target.id === "sql") {
    event.preventDefault();
    event.target.form.requestSubmit();
  }
});
