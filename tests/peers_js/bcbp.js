// Speaks for the npm package bcbp on standard input and output, a line of JSON each way:
// {"encode": {...}} gives the boarding pass's text, {"decode": text, "year": N} what is in one.
const { decode, encode } = require("bcbp");

require("readline")
  .createInterface({ input: process.stdin })
  .on("line", (line) => {
    const asked = JSON.parse(line);
    if (asked.encode) {
      for (const leg of asked.encode.data.legs) leg.flightDate = new Date(leg.flightDate);
      console.log(JSON.stringify(encode(asked.encode)));
    } else {
      console.log(JSON.stringify(decode(asked.decode, asked.year)));
    }
  });
