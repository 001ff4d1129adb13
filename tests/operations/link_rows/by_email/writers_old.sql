INSERT INTO orders VALUES (1000 + {n}, 'late{n}@example.org', {n}) -- before there is such a customer
INSERT INTO customers (email, name) VALUES ('late' || {n} - 1 || '@example.org', 'late {n}')
UPDATE customers SET email = 'moved{n}@example.org' WHERE id = 1 + {n} % 30
UPDATE orders SET email = 'c' || {n} % 40 || '@example.org' WHERE id = 1 + {n} * 7 % 200
DELETE FROM customers WHERE name = 'late ' || {n} - 3
