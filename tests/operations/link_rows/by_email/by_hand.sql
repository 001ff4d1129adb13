ALTER TABLE orders ADD COLUMN customer_id bigint;
UPDATE orders o SET customer_id = c.id FROM customers c WHERE c.email = o.email;
ALTER TABLE orders ADD CONSTRAINT orders_customer_id_fkey FOREIGN KEY (customer_id) REFERENCES customers (id) ON DELETE RESTRICT;
CREATE INDEX orders_customer_idx ON orders (customer_id);
