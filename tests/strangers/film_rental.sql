-- A shop that lends films: written for PostgreSQL from the public documentation of the Sakila sample database (its
-- tables, columns, views, routines and triggers), with rows made here. No test made it, so it has what applications have.
CREATE TYPE mpaa_rating AS ENUM ('G', 'PG', 'PG-13', 'R', 'NC-17');
CREATE DOMAIN year AS integer CHECK (VALUE BETWEEN 1901 AND 2155);

CREATE FUNCTION last_updated() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN NEW.last_update := CURRENT_TIMESTAMP; RETURN NEW; END $$;

CREATE TABLE country (country_id smallserial PRIMARY KEY, country text NOT NULL,
    last_update timestamptz NOT NULL DEFAULT now());
CREATE TABLE city (city_id smallserial PRIMARY KEY, city text NOT NULL,
    country_id smallint NOT NULL REFERENCES country ON UPDATE CASCADE ON DELETE RESTRICT,
    last_update timestamptz NOT NULL DEFAULT now());
CREATE TABLE address (address_id smallserial PRIMARY KEY, address text NOT NULL, address2 text, district text NOT NULL,
    city_id smallint NOT NULL REFERENCES city ON UPDATE CASCADE ON DELETE RESTRICT, postal_code varchar(10),
    phone varchar(20) NOT NULL, location point, last_update timestamptz NOT NULL DEFAULT now());
CREATE TABLE language (language_id smallserial PRIMARY KEY, name character(20) NOT NULL,
    last_update timestamptz NOT NULL DEFAULT now());
CREATE TABLE category (category_id smallserial PRIMARY KEY, name varchar(25) NOT NULL,
    last_update timestamptz NOT NULL DEFAULT now());
CREATE TABLE actor (actor_id smallserial PRIMARY KEY, first_name varchar(45) NOT NULL, last_name varchar(45) NOT NULL,
    last_update timestamptz NOT NULL DEFAULT now());
CREATE TABLE film (film_id serial PRIMARY KEY, title varchar(128) NOT NULL, description text, release_year year,
    language_id smallint NOT NULL REFERENCES language ON UPDATE CASCADE ON DELETE RESTRICT,
    original_language_id smallint REFERENCES language ON UPDATE CASCADE ON DELETE RESTRICT,
    rental_duration smallint NOT NULL DEFAULT 3, rental_rate numeric(4, 2) NOT NULL DEFAULT 4.99, length smallint,
    replacement_cost numeric(5, 2) NOT NULL DEFAULT 19.99, rating mpaa_rating DEFAULT 'G', special_features text[],
    fulltext tsvector, last_update timestamptz NOT NULL DEFAULT now());
CREATE TABLE film_text (film_id integer PRIMARY KEY, title varchar(128) NOT NULL, description text);
CREATE TABLE film_actor (actor_id smallint NOT NULL REFERENCES actor ON UPDATE CASCADE ON DELETE RESTRICT,
    film_id integer NOT NULL REFERENCES film ON UPDATE CASCADE ON DELETE RESTRICT,
    last_update timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (actor_id, film_id));
CREATE TABLE film_category (film_id integer NOT NULL REFERENCES film ON UPDATE CASCADE ON DELETE RESTRICT,
    category_id smallint NOT NULL REFERENCES category ON UPDATE CASCADE ON DELETE RESTRICT,
    last_update timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (film_id, category_id));
-- A shop has a manager, and a manager works in a shop: the two refer to each other.
CREATE TABLE store (store_id smallserial PRIMARY KEY, manager_staff_id smallint NOT NULL UNIQUE,
    address_id smallint NOT NULL REFERENCES address ON UPDATE CASCADE ON DELETE RESTRICT,
    last_update timestamptz NOT NULL DEFAULT now());
CREATE TABLE staff (staff_id smallserial PRIMARY KEY, first_name varchar(45) NOT NULL, last_name varchar(45) NOT NULL,
    address_id smallint NOT NULL REFERENCES address ON UPDATE CASCADE ON DELETE RESTRICT, picture bytea, email varchar(50),
    store_id smallint NOT NULL REFERENCES store ON UPDATE CASCADE ON DELETE RESTRICT, active boolean NOT NULL DEFAULT true,
    username varchar(16) NOT NULL, password varchar(40), last_update timestamptz NOT NULL DEFAULT now());
ALTER TABLE store ADD FOREIGN KEY (manager_staff_id) REFERENCES staff ON UPDATE CASCADE ON DELETE RESTRICT
    DEFERRABLE INITIALLY DEFERRED;
CREATE TABLE customer (customer_id serial PRIMARY KEY,
    store_id smallint NOT NULL REFERENCES store ON UPDATE CASCADE ON DELETE RESTRICT, first_name varchar(45) NOT NULL,
    last_name varchar(45) NOT NULL, email varchar(50),
    address_id smallint NOT NULL REFERENCES address ON UPDATE CASCADE ON DELETE RESTRICT,
    active boolean NOT NULL DEFAULT true, create_date date NOT NULL DEFAULT CURRENT_DATE,
    last_update timestamptz DEFAULT now());
CREATE TABLE inventory (inventory_id serial PRIMARY KEY,
    film_id integer NOT NULL REFERENCES film ON UPDATE CASCADE ON DELETE RESTRICT,
    store_id smallint NOT NULL REFERENCES store ON UPDATE CASCADE ON DELETE RESTRICT,
    last_update timestamptz NOT NULL DEFAULT now());
CREATE TABLE rental (rental_id serial PRIMARY KEY, rental_date timestamptz NOT NULL,
    inventory_id integer NOT NULL REFERENCES inventory ON UPDATE CASCADE ON DELETE RESTRICT,
    customer_id integer NOT NULL REFERENCES customer ON UPDATE CASCADE ON DELETE RESTRICT, return_date timestamptz,
    staff_id smallint NOT NULL REFERENCES staff ON UPDATE CASCADE ON DELETE RESTRICT,
    last_update timestamptz NOT NULL DEFAULT now(), UNIQUE (rental_date, inventory_id, customer_id));
CREATE TABLE payment (payment_id serial PRIMARY KEY,
    customer_id integer NOT NULL REFERENCES customer ON UPDATE CASCADE ON DELETE RESTRICT,
    staff_id smallint NOT NULL REFERENCES staff ON UPDATE CASCADE ON DELETE RESTRICT,
    rental_id integer REFERENCES rental ON UPDATE CASCADE ON DELETE SET NULL, amount numeric(5, 2) NOT NULL,
    payment_date timestamptz NOT NULL, last_update timestamptz DEFAULT now());

CREATE INDEX idx_actor_last_name ON actor (last_name);
CREATE INDEX idx_title ON film (title);
CREATE INDEX film_fulltext ON film USING gin (fulltext);
CREATE INDEX idx_store_id_film_id ON inventory (store_id, film_id);
CREATE INDEX idx_last_name ON customer (last_name);
CREATE INDEX idx_fk_customer ON payment (customer_id);
CREATE INDEX idx_fk_inventory ON rental (inventory_id) WHERE return_date IS NULL;

INSERT INTO country (country) SELECT 'Country ' || n FROM generate_series(1, 5) n;
INSERT INTO city (city, country_id) SELECT 'City ' || n, 1 + n % 5 FROM generate_series(1, 20) n;
INSERT INTO address (address, address2, district, city_id, postal_code, phone, location)
    SELECT n || ' Quay', CASE n % 3 WHEN 0 THEN NULL WHEN 1 THEN '' ELSE 'flat ' || n END, 'District ' || n % 7, 1 + n % 20,
        lpad(n::text, 5, '0'), '555 ' || n, point(n, -n) FROM generate_series(1, 320) n;
INSERT INTO language (name) VALUES ('English'), ('French'), ('German');
INSERT INTO category (name) VALUES ('Action'), ('Comedy'), ('Drama'), ('Horror');
INSERT INTO actor (first_name, last_name) SELECT 'First ' || n, 'Last ' || n % 40 FROM generate_series(1, 100) n;

CREATE FUNCTION film_kept() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN DELETE FROM film_text WHERE film_id = OLD.film_id; RETURN OLD; END IF;
    INSERT INTO film_text VALUES (NEW.film_id, NEW.title, NEW.description)
        ON CONFLICT (film_id) DO UPDATE SET title = EXCLUDED.title, description = EXCLUDED.description;
    RETURN NEW;
END $$;
CREATE TRIGGER film_kept AFTER INSERT OR UPDATE OF title, description OR DELETE ON film
    FOR EACH ROW EXECUTE FUNCTION film_kept();
CREATE TRIGGER film_fulltext BEFORE INSERT OR UPDATE ON film FOR EACH ROW
    EXECUTE FUNCTION tsvector_update_trigger('fulltext', 'pg_catalog.english', 'title', 'description');

INSERT INTO film (title, description, release_year, language_id, rental_rate, length, rating, special_features)
    SELECT 'Film ' || n, CASE WHEN n % 11 > 0 THEN 'A tale of a lock, a boat and ' || n END, 1990 + n % 30, 1 + n % 3,
        0.99 + n % 5, 60 + n % 90, (enum_range(NULL::mpaa_rating))[1 + n % 5],
        CASE WHEN n % 4 > 0 THEN (ARRAY['Trailers', 'Deleted Scenes'])[1:n % 3] END FROM generate_series(1, 200) n;
INSERT INTO film_actor SELECT 1 + (f * 7 + a) % 100, f FROM generate_series(1, 200) f, generate_series(1, 3) a;
INSERT INTO film_category SELECT f, 1 + f % 4 FROM generate_series(1, 200) f;
BEGIN;
INSERT INTO store (manager_staff_id, address_id) VALUES (1, 1), (2, 2);
INSERT INTO staff (first_name, last_name, address_id, picture, email, store_id, username)
    VALUES ('Ann', 'Weir', 3, '\x89504e47', 'ann@example.com', 1, 'ann'), ('Bob', 'Gate', 4, NULL, NULL, 2, 'bob');
COMMIT;
INSERT INTO customer (store_id, first_name, last_name, email, address_id, active)
    SELECT 1 + n % 2, 'First ' || n, 'Last ' || n, CASE WHEN n % 9 > 0 THEN 'c' || n || '@example.com' END, 5 + n % 300,
        n % 10 > 0 FROM generate_series(1, 300) n;
INSERT INTO inventory (film_id, store_id) SELECT 1 + n % 200, 1 + n % 2 FROM generate_series(1, 900) n;
INSERT INTO rental (rental_date, inventory_id, customer_id, return_date, staff_id)
    SELECT timestamptz '2025-01-01 UTC' + n * interval '17 minutes', 1 + n % 900, 1 + n % 300,
        CASE WHEN n % 8 > 0 THEN timestamptz '2025-01-04 UTC' + n * interval '17 minutes' END, 1 + n % 2
    FROM generate_series(1, 4000) n;
INSERT INTO payment (customer_id, staff_id, rental_id, amount, payment_date)
    SELECT customer_id, staff_id, rental_id, 0.99 + rental_id % 7, rental_date FROM rental WHERE rental_id % 12 > 0;

DO $$ DECLARE one text; BEGIN
    FOREACH one IN ARRAY ARRAY['country', 'city', 'address', 'language', 'category', 'actor', 'film', 'film_actor',
        'film_category', 'store', 'staff', 'customer', 'inventory', 'rental'] LOOP
        EXECUTE format('CREATE TRIGGER last_updated BEFORE UPDATE ON %I FOR EACH ROW EXECUTE FUNCTION last_updated()', one);
    END LOOP;
END $$;

CREATE VIEW customer_list AS
    SELECT c.customer_id AS id, c.first_name || ' ' || c.last_name AS name, a.address, a.postal_code AS "zip code", a.phone,
        t.city, n.country, CASE WHEN c.active THEN 'active' ELSE '' END AS notes, c.store_id AS sid
    FROM customer c JOIN address a USING (address_id) JOIN city t USING (city_id) JOIN country n USING (country_id);
CREATE VIEW film_list AS
    SELECT f.film_id AS fid, f.title, f.description, k.name AS category, f.rental_rate AS price, f.length, f.rating,
        string_agg(a.first_name || ' ' || a.last_name, ', ' ORDER BY a.actor_id) AS actors
    FROM film f LEFT JOIN film_category USING (film_id) LEFT JOIN category k USING (category_id)
        LEFT JOIN film_actor USING (film_id) LEFT JOIN actor a USING (actor_id) GROUP BY f.film_id, k.name;
CREATE VIEW sales_by_store AS
    SELECT s.store_id, sum(p.amount) AS total_sales FROM payment p JOIN rental r USING (rental_id)
        JOIN inventory i USING (inventory_id) JOIN store s USING (store_id) GROUP BY s.store_id;
CREATE MATERIALIZED VIEW sales_by_film_category AS
    SELECT k.name AS category, sum(p.amount) AS total_sales FROM payment p JOIN rental r USING (rental_id)
        JOIN inventory i USING (inventory_id) JOIN film_category USING (film_id) JOIN category k USING (category_id)
    GROUP BY k.name;
CREATE FUNCTION inventory_in_stock(wanted integer) RETURNS boolean LANGUAGE sql STABLE AS
    'SELECT NOT EXISTS (SELECT FROM public.rental WHERE inventory_id = wanted AND return_date IS NULL)';
CREATE FUNCTION film_in_stock(film integer, store integer) RETURNS SETOF integer LANGUAGE sql STABLE AS
    'SELECT inventory_id FROM public.inventory WHERE film_id = film AND store_id = store
        AND public.inventory_in_stock(inventory_id)';
CREATE FUNCTION get_customer_balance(customer integer, effective timestamptz) RETURNS numeric LANGUAGE sql STABLE AS
    'SELECT coalesce(sum(f.rental_rate), 0) - (SELECT coalesce(sum(amount), 0) FROM public.payment
            WHERE customer_id = customer AND payment_date <= effective)
        FROM public.rental r JOIN public.inventory USING (inventory_id) JOIN public.film f USING (film_id)
        WHERE r.customer_id = customer AND r.rental_date <= effective';
COMMENT ON VIEW customer_list IS 'Customers with their addresses';
ANALYZE;
