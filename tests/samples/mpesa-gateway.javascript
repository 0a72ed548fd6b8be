const res = await fetch("https://your-app.vercel.app/api/v1/stk-push", {
method: "POST",
headers: {
Authorization: `Bearer ${process.env.MPESA_GATEWAY_KEY}`,
"Content-Type": "application/json",
"Idempotency-Key": `order-${orderId}`,
},
body: JSON.stringify({
amount: 100,
phone: "254712345678",
reference: `ORDER-${orderId}`,
description: "T-shirt",
}),
});
const data = await res.json();
console.log(data.transaction_id);
