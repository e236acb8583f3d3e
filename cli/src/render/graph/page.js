// Moves about in the graph, and shows what there is to tell of the node that is chosen. It has no less-than signs and no
// ampersands, so that the page is XML as well.
"use strict";
(function () {
  const root = document.documentElement;
  const figure = document.getElementById("graph");
  const svg = figure.querySelector("svg");
  const sections = Array.from(document.querySelectorAll("#details section"));
  const nodes = Array.from(svg.querySelectorAll(".node"));
  const edges = Array.from(svg.querySelectorAll(".edge"));
  const whole = { width: svg.viewBox.baseVal.width, height: svg.viewBox.baseVal.height };
  // What of the graph is seen, and how large.
  let view = { x: 0, y: 0, width: whole.width, height: whole.height };

  root.classList.add("js");
  document.getElementById("tools").hidden = false;

  let scale = 1;
  function show() {
    scale = figure.clientWidth / view.width;
    svg.setAttribute("viewBox", [view.x, view.y, view.width, view.height].join(" "));
  }

  // The whole graph, never larger than it is.
  function fit() {
    const scale = Math.max(0.05, Math.min(1, figure.clientWidth / whole.width, figure.clientHeight / whole.height));
    const width = figure.clientWidth / scale;
    const height = figure.clientHeight / scale;
    view = { x: (whole.width - width) / 2, y: (whole.height - height) / 2, width: width, height: height };
    show();
  }

  // A point of the window in the graph.
  function inGraph(x, y) {
    const box = svg.getBoundingClientRect();
    return { x: view.x + ((x - box.left) / box.width) * view.width, y: view.y + ((y - box.top) / box.height) * view.height };
  }

  function zoom(factor, at) {
    const width = Math.min(Math.max(view.width / factor, 60), 20 * Math.max(whole.width, figure.clientWidth));
    const ratio = width / view.width;
    view = { x: at.x - (at.x - view.x) * ratio, y: at.y - (at.y - view.y) * ratio, width: width, height: view.height * ratio };
    show();
  }

  function middle() {
    return { x: view.x + view.width / 2, y: view.y + view.height / 2 };
  }

  function move(x, y) {
    view.x += x;
    view.y += y;
    show();
  }

  // Brings a node into the window, and so near that it can be read.
  function reveal(node) {
    const box = node.getBBox();
    if (0.5 > scale) { zoom(0.75 / scale, { x: box.x, y: box.y }); }
    const right = box.x + box.width - view.x - view.width;
    const below = box.y + box.height - view.y - view.height;
    move(Math.max(right + 20, 0) + Math.min(box.x - view.x - 20, 0), Math.max(below + 20, 0) + Math.min(box.y - view.y - 20, 0));
  }

  // Shows one node with what it needs and who needs it; nothing for none.
  function choose(number) {
    const chosen = number !== null;
    svg.classList.toggle("choosing", chosen);
    const needs = new Set();
    const users = new Set();
    for (const edge of edges) {
      const needed = chosen ? edge.dataset.from === number : false;
      const used = chosen ? edge.dataset.to === number : false;
      edge.classList.toggle("needs", needed);
      edge.classList.toggle("user", used);
      if (needed) { needs.add(edge.dataset.to); }
      if (used) { users.add(edge.dataset.from); }
    }
    for (const node of nodes) {
      node.classList.toggle("chosen", node.dataset.node === number);
      node.classList.toggle("needs", needs.has(node.dataset.node));
      node.classList.toggle("user", users.has(node.dataset.node));
    }
    for (const section of sections) {
      section.hidden = chosen ? section.id !== "f" + number : section.id !== "files";
    }
    document.getElementById("details").scrollTop = 0;
    document.getElementById("all").hidden = !chosen;
  }

  // Fades what is not looked for, in the picture, and leaves it out of the list.
  const sought = document.getElementById("find");
  const problems = document.getElementById("problems");
  const items = Array.from(document.querySelectorAll("#files li[data-node]"));
  function filter() {
    const words = sought.value.toLowerCase().split(/\s+/).filter(Boolean);
    const found = new Set();
    for (const node of nodes) {
      const text = node.textContent.toLowerCase();
      const named = words.every(function (word) { return text.includes(word); });
      const wanted = problems.checked ? node.classList.contains("wrong") : true;
      if (named) { if (wanted) { found.add(node.dataset.node); } }
    }
    const filters = words.length > 0 || problems.checked;
    svg.classList.toggle("filtering", filters);
    for (const node of nodes) { node.classList.toggle("found", found.has(node.dataset.node)); }
    for (const item of items) { item.hidden = !found.has(item.dataset.node); }
    return found;
  }
  sought.addEventListener("input", filter);
  problems.addEventListener("change", filter);
  sought.addEventListener("keydown", function (event) {
    if (event.key !== "Enter") { return; }
    const first = nodes.find(function (node) { return node.classList.contains("found"); });
    if (first) { if (sought.value !== "") { choose(first.dataset.node); reveal(first); } }
  });

  // Links to nodes, in the picture and beside it, choose them.
  document.addEventListener("click", function (event) {
    const link = event.target.closest("a");
    const href = link ? link.getAttribute("href") : "";
    if (!/^#f[0-9]+$/.test(href)) { return; }
    event.preventDefault();
    const number = href.slice(2);
    choose(number);
    const node = svg.querySelector('[data-node="' + number + '"]');
    if (node) { reveal(node); }
  });

  svg.addEventListener("focusin", function (event) {
    const node = event.target.querySelector(".node");
    if (node) { if (event.target.matches(":focus-visible")) { reveal(node); } }
  });

  const actions = {
    "+": function () { zoom(1.25, middle()); },
    "=": function () { zoom(1.25, middle()); },
    "-": function () { zoom(0.8, middle()); },
    "0": fit,
    "/": function () { sought.focus(); },
    Escape: function () { sought.value = ""; problems.checked = false; filter(); choose(null); },
    ArrowLeft: function () { move(-view.width / 10, 0); },
    ArrowRight: function () { move(view.width / 10, 0); },
    ArrowUp: function () { move(0, -view.height / 10); },
    ArrowDown: function () { move(0, view.height / 10); },
  };
  document.addEventListener("keydown", function (event) {
    if (event.ctrlKey || event.metaKey || event.altKey) { return; }
    const inPicture = figure.contains(event.target) || event.target === document.body;
    if (!inPicture) { if (event.key !== "Escape") { return; } }
    const action = Object.hasOwn(actions, event.key) ? actions[event.key] : null;
    if (action) { event.preventDefault(); action(); }
  });
  for (const [id, key] of [["nearer", "+"], ["farther", "-"], ["fit", "0"], ["all", "Escape"]]) {
    document.getElementById(id).addEventListener("click", actions[key]);
  }

  figure.addEventListener("wheel", function (event) {
    event.preventDefault();
    zoom(Math.exp(-event.deltaY / 400), inGraph(event.clientX, event.clientY));
  }, { passive: false });

  // One pointer moves the picture, two zoom it.
  const pointers = new Map();
  let dragged = false;
  svg.addEventListener("pointerdown", function (event) {
    pointers.set(event.pointerId, event);
    dragged = false;
  });
  window.addEventListener("pointermove", function (event) {
    const before = pointers.get(event.pointerId);
    if (!before) { return; }
    const others = Array.from(pointers.values()).filter(function (other) { return other.pointerId !== event.pointerId; });
    if (others.length === 0) {
      const x = event.clientX - before.clientX;
      const y = event.clientY - before.clientY;
      if (!dragged) { if (4 >= Math.hypot(x, y)) { return; } }
      move(-x / scale, -y / scale);
    } else {
      const other = others[0];
      const far = function (one) { return Math.max(1, Math.hypot(one.clientX - other.clientX, one.clientY - other.clientY)); };
      const at = inGraph((event.clientX + other.clientX) / 2, (event.clientY + other.clientY) / 2);
      zoom(far(event) / far(before), at);
    }
    dragged = true;
    pointers.set(event.pointerId, event);
  });
  for (const end of ["pointerup", "pointercancel"]) {
    window.addEventListener(end, function (event) { pointers.delete(event.pointerId); });
  }
  // What ends a drag chooses nothing.
  svg.addEventListener("click", function (event) {
    if (dragged) { event.preventDefault(); event.stopPropagation(); dragged = false; }
  }, true);
  svg.addEventListener("dragstart", function (event) { event.preventDefault(); });

  // Another window shows more or less, as large as before.
  window.addEventListener("resize", function () {
    const width = figure.clientWidth / scale;
    const height = figure.clientHeight / scale;
    view = { x: view.x + (view.width - width) / 2, y: view.y + (view.height - height) / 2, width: width, height: height };
    show();
  });
  fit();
  const asked = /^#f([0-9]+)$/.exec(location.hash);
  const node = asked ? svg.querySelector('[data-node="' + asked[1] + '"]') : null;
  choose(node ? asked[1] : null);
  if (node) { reveal(node); }
})();
