INSERT INTO customers (id, email, name) OVERRIDING SYSTEM VALUE VALUES (7000 + {n}, 'new{n}@example.org', 'new {n}'); INSERT INTO orders (id, email, total, customer_id) VALUES (7000 + {n}, 'new{n}@example.org', {n}, 7000 + {n})
UPDATE orders SET total = total + 1 WHERE id = 1 + {n} * 3 % 200
DELETE FROM orders WHERE id = 7000 + {n} - 2; DELETE FROM customers WHERE id = 7000 + {n} - 2
