<?php
$ch = curl_init("https://your-app.vercel.app/api/v1/stk-push");
curl_setopt_array($ch, [
CURLOPT_RETURNTRANSFER => true,
CURLOPT_POST => true,
CURLOPT_HTTPHEADER => [
"Authorization: Bearer " . getenv("MPESA_GATEWAY_KEY"),
"Content-Type: application/json",
"Idempotency-Key: order-" . $orderId,
],
CURLOPT_POSTFIELDS => json_encode([
"amount" => 100,
"phone" => "254712345678",
"reference" => "ORDER-" . $orderId,
"description" => "T-shirt",
]),
]);
$response = curl_exec($ch);
curl_close($ch);
echo $response;
