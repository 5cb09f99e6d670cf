// A Modbus/TCP unit made of modbus-serial: says its port, then every coil that is written, as JSON, a line each.
// Lines on standard input set a register: "holding 3 65535" or "input 3 1"; their end ends it.
"use strict";
const net = require("net");
const readline = require("readline");
const { ServerTCP } = require("modbus-serial");

const tables = { holding: {}, input: {} };
const coils = {};
const say = (what) => process.stdout.write(JSON.stringify(what) + "\n");
const known = (table, address) => {
    if (!(address in tables[table])) throw { modbusErrorCode: 2 };
    return tables[table][address];
};
const vector = {
    getHoldingRegister: async (address) => known("holding", address),
    getInputRegister: async (address) => known("input", address),
    getCoil: async (address) => Boolean(coils[address]),
    setCoil: async (address, on) => { coils[address] = on; say({ coil: address, on }); },
};

// modbus-serial does not say which port it was given.
const probe = net.createServer().listen(0, "127.0.0.1", () => {
    const { port } = probe.address();
    probe.close(() => {
        const server = new ServerTCP(vector, { host: "127.0.0.1", port, unitID: 1 });
        server.on("initialized", () => say({ port }));
    });
});
readline.createInterface({ input: process.stdin }).on("line", (line) => {
    const [table, address, value] = line.split(" ");
    tables[table][Number(address)] = Number(value);
}).on("close", () => process.exit(0));
