// Draws the page's figures in the colours of its style sheet, again when the reader's colour scheme changes, and on
// white at the width of a sheet for print.
(function () {
  "use strict";
  const SHEET = {width: 700, shrink: 0.78};
  const SCREEN = {width: undefined, shrink: 1};
  const CONFIG = {responsive: true, displayModeBar: false};
  const scheme = window.matchMedia("(prefers-color-scheme: dark)");
  const plots = Array.from(document.querySelectorAll("script[data-plot]"), (source) => ({
    element: document.getElementById(source.dataset.plot),
    figure: JSON.parse(source.textContent),
  }));

  function template(colours) {
    const axis = {
      gridcolor: colours.grid,
      linecolor: colours.axis,
      zerolinecolor: colours.axis,
      zerolinewidth: 1,
      tickcolor: colours.axis,
      automargin: true,
      title: {standoff: 8, font: {size: 12}},
    };
    return {layout: {
      font: {family: getComputedStyle(document.body).fontFamily, size: 12, color: colours.ink},
      paper_bgcolor: "rgba(0,0,0,0)",
      plot_bgcolor: "rgba(0,0,0,0)",
      hoverlabel: {bgcolor: colours.raised, bordercolor: colours.axis, font: {color: colours.ink}},
      xaxis: {...axis, showgrid: false, showline: true, ticks: "outside", ticklen: 4},
      yaxis: axis,
    }};
  }

  function screenColours() {
    const style = getComputedStyle(document.documentElement);
    const names = ["ink", "raised", "grid", "axis"];
    return Object.fromEntries(names.map((name) => [name, style.getPropertyValue("--" + name).trim()]));
  }

  function draw(colours, medium) {
    for (const {element, figure} of plots) {
      const layout = {
        ...figure.layout,
        template: template(colours),
        width: medium.width,
        height: figure.layout.height * medium.shrink,
        autosize: medium.width === undefined,
      };
      element.style.height = layout.height + "px";
      Plotly.react(element, figure.data, layout, CONFIG);
    }
  }

  const drawForScreen = () => draw(screenColours(), SCREEN);
  drawForScreen();
  scheme.addEventListener("change", drawForScreen);
  window.addEventListener("beforeprint", () =>
    draw({ink: "#000000", raised: "#ffffff", grid: "#e8ecf0", axis: "#999999"}, SHEET));
  window.addEventListener("afterprint", drawForScreen);
})();
