"use strict";
// Before the page is drawn: dark for a dim room, unless this reader chose light.
document.documentElement.dataset.theme = localStorage.getItem("theme") === "light" ? "light" : "dark";
