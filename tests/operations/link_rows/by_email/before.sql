CREATE TABLE orders (id integer PRIMARY KEY, email text, total numeric NOT NULL);
CREATE TABLE customers (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, email text UNIQUE, name text NOT NULL);
CREATE VIEW big_orders AS SELECT id, email FROM orders WHERE total > 100;
INSERT INTO customers (email, name) SELECT 'c' || i || '@example.org', 'customer ' || i FROM generate_series(1, 40) i;
INSERT INTO customers (email, name) VALUES (NULL, 'nobody');
INSERT INTO orders SELECT i, CASE WHEN i % 9 > 0 THEN 'c' || i % 50 || '@example.org' END, i * 1.50 FROM generate_series(1, 200) i;
