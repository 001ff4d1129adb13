INSERT INTO connections VALUES (1000 + {n}, 'fitbit')
UPDATE connections SET others = others || 'garmin'::provider_type WHERE id = {n}
