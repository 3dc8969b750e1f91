import { Scrip } from "./scrip.mjs";

const scrip = await Scrip.connect(process.env.REDIS_URL);
const request = { project: "acme", requestId: "order-3001", code: "SUMMER", customer: "cus_8", subscription: "sub_8" };
const answer = await scrip.ask("redemptions.redeem", "redemptions", request);
console.log(answer.outcome);
await scrip.close();
