// Asks the API once a second and draws what it says. What the model or a run wrote is untrusted: it reaches the page as text only.
"use strict";

(() => {
  const stageNames = {
    corpus: "Corpus", tokenizer: "Tokenizer", shards: "Shards",
    pretraining: "Pre-training", fine_tuning: "Fine-tuning", evaluation: "Evaluation",
  };
  const pollMs = 1000;
  const mostAround = 50; // steps on either side that the smoothed loss is a mean of

  const at = id => document.getElementById(id);
  const css = name => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const stageName = stage => Object.hasOwn(stageNames, stage) ? stageNames[stage] : stage;

  const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
  const short = new Intl.NumberFormat("en", { notation: "compact", maximumSignificantDigits: 3 });
  const absent = "–";
  const exponential = text => text.replace("e-", "e−").replace("e+", "e");
  const format = {
    whole: value => value == null ? absent : whole.format(value),
    short: value => value == null ? absent : short.format(value),
    loss: value => value == null ? absent : value.toFixed(3),
    rate: value => value == null ? absent : exponential(value.toExponential(2)),
    rateTick: value => value === 0 ? "0" : exponential(Number(value.toPrecision(3)).toExponential()),
  };

  /** Writes text if it changed, so that a selection on the page survives. */
  function write(id, text) {
    const element = at(id);
    if (element.textContent !== text)
      element.textContent = text;
  }

  // ---- What is known of the run shown.

  let wanted = null;       // a run chosen by the reader, else the newest
  let shown = null;        // what fresh returns
  let chosenStage = null;  // a stage chosen by the reader, else the latest
  let chosenSample = null; // place of a sample chosen by the reader, else the latest
  try {
    wanted = decodeURIComponent(location.hash.slice(1));
  } catch {
    // An address that was cut short names no run.
  }

  const fresh = run => ({ run, nextMetric: 0, curves: new Map(), latestStage: null, nextSample: 0, samples: [], said: "" });

  /** Puts one line of metrics into the columns of its stage. */
  function take(point) {
    if (typeof point?.stage !== "string" || !Number.isFinite(point.step))
      return;
    if (!shown.curves.has(point.stage))
      shown.curves.set(point.stage, { step: [], loss: [], validation: [], rate: [], speed: [], last: {} });
    const curve = shown.curves.get(point.stage);
    // A resumed run repeats the steps after its checkpoint; the later word counts.
    while (curve.step.length > 0 && curve.step.at(-1) > point.step)
      for (const column of [curve.step, curve.loss, curve.validation, curve.rate, curve.speed])
        column.pop();
    if (curve.step.at(-1) !== point.step) {
      curve.step.push(point.step);
      for (const column of [curve.loss, curve.validation, curve.rate, curve.speed])
        column.push(null);
    }
    const end = curve.step.length - 1;
    curve.loss[end] = point.loss ?? curve.loss[end];
    curve.validation[end] = point.validation_loss ?? curve.validation[end];
    curve.rate[end] = point.learning_rate ?? curve.rate[end];
    curve.speed[end] = point.tokens_per_second ?? curve.speed[end];
    for (const [name, value] of Object.entries(point))
      if (value != null)
        curve.last[name] = value;
    shown.latestStage = point.stage;
  }

  /** Means over a window around each step, narrower towards both ends, so that the smoothed curve lags behind nothing. */
  function smooth(values) {
    const sums = [0], counts = [0];
    for (const value of values) {
      sums.push(sums.at(-1) + (value ?? 0));
      counts.push(counts.at(-1) + (value == null ? 0 : 1));
    }
    const widest = Math.min(mostAround, Math.round(values.length / 40));
    return values.map((value, index) => {
      const around = Math.min(widest, index, values.length - 1 - index);
      const from = index - around, to = index + around + 1;
      return value == null ? null : (sums[to] - sums[from]) / (counts[to] - counts[from]);
    });
  }

  // ---- Asking.

  async function get(path) {
    const answer = await fetch(path, { cache: "no-store", signal: AbortSignal.timeout(10000) });
    if (!answer.ok)
      throw new Error(answer.status === 503 ? "The cluster does not answer; trying again" : `The page's process answers ${answer.status}; trying again`);
    return answer.json();
  }

  /** Reads what was added since the last time. Returns false if the run's memory began anew, so that all must be read again. */
  async function readNews() {
    const base = `/api/runs/${encodeURIComponent(shown.run)}`;
    for (let more = true; more;) {
      const answer = await get(`${base}/metrics?after=${shown.nextMetric}`);
      if (answer.next < shown.nextMetric)
        return false;
      answer.lines.forEach(take);
      more = answer.next > shown.nextMetric && answer.lines.length >= 5000;
      shown.nextMetric = answer.next;
    }
    for (let more = true; more;) {
      const answer = await get(`${base}/samples?after=${shown.nextSample}`);
      if (answer.next < shown.nextSample)
        return false;
      shown.samples.push(...answer.lines);
      more = answer.next > shown.nextSample && answer.lines.length >= 500;
      shown.nextSample = answer.next;
    }
    return true;
  }

  async function poll() {
    try {
      const { runs } = await get("/api/runs");
      const status = runs.find(run => run.run === wanted) ?? runs[0];
      showRuns(runs, status);
      if (status) {
        if (shown?.run !== status.run) {
          shown = fresh(status.run);
          chosenStage = chosenSample = null;
        }
        if (!await readNews()) {
          shown = fresh(status.run);
          await readNews();
        }
        show(status);
      }
      at("link").classList.remove("lost");
      write("link", "Live");
    } catch (error) {
      at("link").classList.add("lost");
      write("link", error instanceof TypeError || error.name === "TimeoutError" ? "The page's process does not answer; trying again" : error.message);
    }
    setTimeout(poll, pollMs);
  }

  // ---- Showing.

  function showRuns(runs, current) {
    at("empty").hidden = current !== undefined;
    at("run").hidden = current === undefined;
    at("pick").hidden = runs.length < 2;
    const names = runs.map(run => run.run);
    const select = at("runs");
    if (names.join("\n") !== [...select.options].map(option => option.value).join("\n"))
      select.replaceChildren(...names.map(name => new Option(name, name)));
    if (current)
      select.value = current.run;
    else
      document.title = "Cluster";
  }

  function show(status) {
    const percent = Math.round(Math.min(1, Math.max(0, status.fraction)) * 100);
    const finished = status.state === "done";
    write("name", status.run);
    write("state", status.state);
    at("state").dataset.state = status.state;
    at("fill").style.width = `${percent}%`;
    at("bar").setAttribute("aria-valuenow", percent);
    write("message", status.message);
    document.title = `${status.run}, ${finished ? "done" : `${stageName(status.stage)} ${percent} %`} – Cluster`;
    showStages(status.stage, finished);

    const now = `${status.run}: ${status.state}, ${stageName(status.stage)}`;
    if (now !== shown.said)
      at("announce").textContent = shown.said = now;

    const training = shown.curves.get(status.stage);
    const curve = training ?? shown.curves.get(shown.latestStage);
    const last = curve?.last ?? {};
    write("loss", format.loss(last.loss));
    write("validation", format.loss(last.validation_loss));
    write("speed", format.whole(last.tokens_per_second));
    write("rate", format.rate(last.learning_rate));
    write("step", training && status.total_steps > 0 ? `${format.whole(last.step)} of ${format.whole(status.total_steps)}` : format.whole(last.step));
    write("tokens", format.short(last.tokens));
    write("parameters", status.parameters > 0 ? format.short(status.parameters) : absent);
    write("left", `${percent} %${status.state === "running" ? timeLeft(training, status.total_steps) : ""}`);

    showCurves();
    showSample();
  }

  function timeLeft(curve, totalSteps) {
    const { step, seconds } = curve?.last ?? {};
    if (!(step > 0 && seconds > 0 && totalSteps > step))
      return "";
    const left = seconds / step * (totalSteps - step);
    return left < 90 ? `, about ${Math.ceil(left / 5) * 5} s left in this stage` : `, about ${Math.round(left / 60)} min left in this stage`;
  }

  function showStages(current, finished) {
    const names = Object.keys(stageNames);
    if (!names.includes(current))
      names.push(current);
    const place = names.indexOf(current);
    const list = at("stages");
    if (list.dataset.shown === `${current} ${finished}`)
      return;
    list.dataset.shown = `${current} ${finished}`;
    list.replaceChildren(...names.map((name, index) => {
      const item = document.createElement("li");
      item.textContent = stageName(name);
      const isPast = finished || index < place;
      if (isPast)
        item.classList.add("past");
      else if (index === place)
        item.setAttribute("aria-current", "step");
      return item;
    }));
  }

  // ---- Curves.

  const axisFont = "12px system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif";

  /** A chart over steps that says below the pointer, or at its end, what its curves are at. */
  function chart(name, series, axis, range, read) {
    const box = at(`${name}-plot`);
    const axisOf = more => ({
      stroke: () => css("--quiet"), grid: { stroke: () => css("--line"), width: 1 }, ticks: { show: false }, font: axisFont, ...more,
    });
    const say = plot => {
      const steps = plot.data[0];
      const index = plot.cursor.idx ?? steps.length - 1;
      write(`${name}-read`, index >= 0 && index < steps.length ? `step ${format.whole(steps[index])}: ${read(plot.data, index)}` : "");
    };
    const plot = new uPlot({
      width: box.clientWidth || 300, height: box.clientHeight || 180, legend: { show: false },
      cursor: { sync: { key: "steps" }, y: false, drag: { x: false, y: false } },
      scales: { x: { time: false }, y: { range } },
      axes: [
        axisOf({ values: (_, ticks) => ticks.map(tick => Number.isInteger(tick) ? format.short(tick) : ""), size: 28 }),
        axisOf({ values: (_, ticks) => ticks.map(axis), size: 58 }),
      ],
      series: [{}, ...series],
      hooks: { setCursor: [say], setData: [say] },
    }, [[], ...series.map(() => [])], box);
    new ResizeObserver(() => {
      if (box.clientWidth > 0)
        plot.setSize({ width: box.clientWidth, height: box.clientHeight });
    }).observe(box);
    return plot;
  }

  const padded = (_, low, high) => {
    if (low == null)
      return [0, 1];
    const room = (high - low || Math.abs(high) || 1) * 0.06;
    return [low - room, high + room];
  };
  const fromZero = (_, low, high) => [0, high > 0 ? high * 1.08 : 1];
  const line = (colour, width) => ({ stroke: () => css(colour), width, points: { show: false }, spanGaps: true });

  let charts = null;

  function showCurves() {
    const stages = [...shown.curves.keys()];
    at("curves").hidden = stages.length === 0;
    if (stages.length === 0)
      return;
    const stage = stages.includes(chosenStage) ? chosenStage : shown.latestStage;
    showTabs(stages, stage);
    charts ??= {
      loss: chart("loss",
        [line("--faint", 1), line("--accent", 2),
          { stroke: () => css("--warm"), width: 1, spanGaps: true, points: { show: true, size: 7, width: 2, fill: () => css("--card") } }],
        tick => String(Number(tick.toPrecision(4))), padded,
        (data, index) => `training ${format.loss(before(data[2], index))}, validation ${format.loss(before(data[3], index))}`),
      rate: chart("rate", [line("--accent", 2)], format.rateTick, fromZero, (data, index) => format.rate(before(data[1], index))),
      speed: chart("speed", [line("--accent", 1.5)], format.short, fromZero, (data, index) => format.whole(before(data[1], index))),
    };
    const curve = shown.curves.get(stage);
    const smoothed = smooth(curve.loss);
    charts.loss.setData([curve.step, curve.loss, smoothed, curve.validation]);
    charts.rate.setData([curve.step, curve.rate]);
    charts.speed.setData([curve.step, curve.speed]);
    const end = curve.step.length - 1;
    at("loss-plot").setAttribute("aria-label", `Loss of ${stageName(stage)} over steps; at step ${curve.step[end]} training `
      + `${format.loss(before(smoothed, end))}, validation ${format.loss(before(curve.validation, end))}`);
  }

  /** The last value known at a place: validations are made at few steps. */
  function before(column, index) {
    while (index >= 0 && column[index] == null)
      index--;
    return index < 0 ? null : column[index];
  }

  function showTabs(stages, current) {
    const tabs = at("tabs");
    tabs.hidden = stages.length < 2;
    if (tabs.children.length !== stages.length)
      tabs.replaceChildren(...stages.map(stage => {
        const button = document.createElement("button");
        button.type = "button";
        button.textContent = stageName(stage);
        button.addEventListener("click", () => {
          chosenStage = stage;
          showCurves();
        });
        return button;
      }));
    [...tabs.children].forEach((button, index) => button.setAttribute("aria-pressed", String(stages[index] === current)));
  }

  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    for (const plot of Object.values(charts ?? {}))
      plot.redraw(false, true);
  });

  // ---- Samples.

  function showSample() {
    const count = shown.samples.length;
    at("sample").hidden = count === 0;
    if (count === 0)
      return;
    const index = chosenSample ?? count - 1;
    const sample = shown.samples[index];
    // A language model goes on with its prompt; an assistant answers it.
    write("prompt", String(sample.prompt ?? "") + (sample.stage === "pretraining" ? "" : "\n\n"));
    write("text", String(sample.text ?? ""));
    at("expected").hidden = sample.expected == null;
    write("expected-text", String(sample.expected ?? ""));
    write("sample-at", `${stageName(sample.stage)}, step ${format.whole(sample.step)} (${index + 1} of ${count})`);
    at("earlier").disabled = index === 0;
    at("later").disabled = index === count - 1;
  }

  function turn(by) {
    const end = shown.samples.length - 1;
    const index = Math.min(end, Math.max(0, (chosenSample ?? end) + by));
    chosenSample = index === end ? null : index; // at the end, follow what comes
    showSample();
  }

  at("earlier").addEventListener("click", () => turn(-1));
  at("later").addEventListener("click", () => turn(1));
  at("runs").addEventListener("change", event => {
    wanted = event.target.value;
    history.replaceState(null, "", `#${encodeURIComponent(wanted)}`);
  });

  poll();
})();
