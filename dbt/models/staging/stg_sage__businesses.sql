{{ sage_accounting.stage('businesses', [
    ['business_name', 'name', 'text'],
    ['country_id', 'country.id', 'text']
], 'whole') }}
