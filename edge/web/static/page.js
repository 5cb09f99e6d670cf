const list = document.getElementById("devices");
const events = new EventSource("/events");
events.addEventListener("state", (event) => {
  const state = JSON.parse(event.data);
  list.replaceChildren(...state.devices.map((device) => {
    const row = document.createElement("li");
    row.dataset.device = device.name;
    row.textContent = `${device.name}: ${device.state}`;
    return row;
  }));
});
