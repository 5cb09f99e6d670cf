// A tag reader made of llrpjs: says its port, then every message it receives as JSON, a line each.
// A line on standard input drives input 1: "press" or "release"; its end ends the reader.
"use strict";
const readline = require("readline");
const { LLRPCore, LLRPServer } = require("llrpjs");

const ANSWERS = ["GET_READER_CAPABILITIES", "SET_READER_CONFIG", "GET_READER_CONFIG", "DELETE_ROSPEC", "ADD_ROSPEC",
    "ENABLE_ROSPEC", "START_ROSPEC", "CLOSE_CONNECTION"];
const EXTRA = {
    GET_READER_CAPABILITIES: {
        GeneralDeviceCapabilities: {
            MaxNumberOfAntennaSupported: 2, CanSetAntennaProperties: false, HasUTCClockCapability: true,
            DeviceManufacturerName: 10642, ModelName: 7, ReaderFirmwareVersion: "llrpjs 1.0.1",
            ReceiveSensitivityTableEntry: [{ Index: 1, ReceiveSensitivityValue: 0 }],
            GPIOCapabilities: { NumGPIs: 1, NumGPOs: 0 },
            PerAntennaAirProtocol: [{ AntennaID: 1, ProtocolID: [1] }],
        },
    },
    GET_READER_CONFIG: { GPIPortCurrentState: [{ GPIPortNum: 1, Config: true, State: "Low" }] },
};
const EPC_96 = [0x30, 0x75, 0x1f, 0xeb, 0x70, 0x5c, 0x59, 0x04, 0xe3, 0xd5, 0x0d, 0x70];

const say = (what) => process.stdout.write(JSON.stringify(what, (_, v) => typeof v === "bigint" ? Number(v) : v) + "\n");
const reader = new LLRPServer({ host: "127.0.0.1", port: 0 });
const timers = [];
let goodbye = false;
const stop = () => timers.splice(0).forEach(clearInterval);
const send = (message) => { if (reader.socketWritable) reader.send(message).catch(() => {}); };
const tell = (event) => send(new LLRPCore.READER_EVENT_NOTIFICATION({
    data: { ReaderEventNotificationData: { UTCTimestamp: { Microseconds: new Date() }, ...event } },
}));
const report = () => send(new LLRPCore.RO_ACCESS_REPORT({
    data: {
        TagReportData: [
            { EPC_96: { EPC: EPC_96 }, AntennaID: { AntennaID: 2 }, PeakRSSI: { PeakRSSI: -48 } },
            { EPCData: { EPC: [0xe2, 0x80, 0x11, 0x60] }, AntennaID: { AntennaID: 1 } },
        ],
    },
}));

for (const name of ANSWERS) {
    reader.on(name, (message) => {
        const data = message.toLLRPData();
        say({ type: data.type, data: data.data });
        if (name === "CLOSE_CONNECTION") { goodbye = true; stop(); } // the response is the last that a reader says
        const status = { LLRPStatus: { StatusCode: "M_Success", ErrorDescription: "" } };
        send(new LLRPCore[`${name}_RESPONSE`]({ id: data.id, data: { ...status, ...EXTRA[name] } }));
        if (name === "START_ROSPEC") timers.push(setInterval(report, 20));
        const keepalive = data.data.KeepaliveSpec;
        if (keepalive) {
            const period = Number(keepalive.PeriodicTriggerValue);
            timers.push(setInterval(() => send(new LLRPCore.KEEPALIVE({ id: 900 })), period));
        }
    });
}
reader.on("KEEPALIVE_ACK", (message) => say({ type: "KEEPALIVE_ACK", id: message.toLLRPData().id }));
reader.on("ENABLE_EVENTS_AND_REPORTS", () => say({ type: "ENABLE_EVENTS_AND_REPORTS" }));
reader.on("connection", () => tell({ ConnectionAttemptEvent: { Status: "Success" } }));
reader.on("disconnect", stop);
// A client that has said that it goes waits half a second for the response, and may be gone when it comes.
reader.on("error", (error) => { if (!(goodbye && error.syscall)) say({ type: "error", message: String(error) }); });
reader._server.on("listening", () => say({ port: reader._server.address().port }));
reader.listen();

const input = readline.createInterface({ input: process.stdin });
input.on("line", (line) => tell({ GPIEvent: { GPIPortNumber: 1, GPIEvent: line === "press" } }));
input.on("close", () => process.exit(0));
